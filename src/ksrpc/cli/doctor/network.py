"""Checks of addresses: can the port be had, who reaches it, under which names.

Source: docs/reference/cli.md "ksrpc doctor".
"""

from __future__ import annotations

import errno
import http.client
import ipaddress
import os
import shutil
import socket
import ssl
from urllib.parse import urlsplit

from ksrpc.cli.address import client_urls, is_loopback, reachable_hosts
from ksrpc.cli.doctor.finding import Case, Finding, Findings, fail, ok, warn
from ksrpc.gateway.identify import is_address, networks_of

_PROBE_S = 2.0
_LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked there, not listened on
#: Tool → what opens a port with it.
_FIREWALLS = {
    "ufw": "ufw allow {port}/tcp",
    "firewall-cmd": "firewall-cmd --permanent --add-port={port}/tcp && firewall-cmd --reload",
}
_SEARCHED = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def check_port(case: Case) -> Findings:
    """See whether the port is free, or a ksrpc answers there already."""
    server = case.settings.server
    place = f"{server.host}:{server.port}"
    if server.port == 0:
        yield ok("port", "any free one (server.port = 0)")
        return
    try:
        _try_listening(server.host, server.port)
    except socket.gaierror:
        yield fail("port", f"server.host: there is no address {server.host}", 'server.host = "127.0.0.1"')
    except OSError as exc:
        yield _explain_port(exc, server.host, server.port, is_tls=server.tls_cert is not None)
    else:
        yield ok("port", f"{place} is free")


def check_reach(case: Case) -> Findings:
    """Say under which addresses clients reach the server, and what may stand in their way."""
    server = case.settings.server
    if is_loopback(server.host):
        reach = server.public_url or "this machine only"
        yield ok("reach", f"{reach}: server.host is loopback")
        return
    yield ok("reach", f"clients use {' or '.join(client_urls(case.settings))}")
    yield from _check_networks(case)
    tools = [name for name in _FIREWALLS if shutil.which(name, path=_SEARCHED)]
    for name in tools:
        cure = _FIREWALLS[name].format(port=server.port)
        yield ok("firewall", f"{name} is here; if clients cannot connect, open the port", f"sudo {cure}")
    if not tools:
        yield ok("firewall", "neither ufw nor firewall-cmd is here; another one may still be in the way")
    if server.tls_cert is None and not server.public_url.startswith("https://"):
        cure = "set server.tls_cert and tls_key, or put a proxy with TLS in front and name it in server.public_url"
        yield warn("TLS", "tokens and data cross the network as they are", cure)


def check_names(case: Case) -> Findings:
    """See whether the names lead here, and whether the server takes requests under its public name."""
    server = case.settings.server
    public = urlsplit(server.public_url).hostname
    if public and not is_address(public) and public not in {"localhost", *(name.lower() for name in server.hosts)}:
        text = f"requests to {public} (server.public_url) are refused unless the proxy sends another Host"
        yield warn("names", text, f"add {public!r} to server.hosts")
    for name in server.hosts:
        yield _check_name(name)


def _check_name(name: str) -> Finding:
    try:
        found = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except OSError:
        return warn("names", f"server.hosts: {name} has no address here", "correct it, or add it to the name server")
    return ok("names", f"{name} is {', '.join(found)}")


def _check_networks(case: Case) -> Findings:
    access = case.settings.access
    allowed, blocked = networks_of(access.ip_allow), networks_of(access.ip_block)
    for host in reachable_hosts(case.settings.server.host):
        address = ipaddress.ip_address(host) if is_address(host) else None
        is_in = address is None or any(address in network for network in allowed)
        if not is_in or any(address in network for network in blocked if address is not None):
            text = f"access.ip_allow admits nobody from the network of {host}"
            yield warn("reach", text, "add the network of your clients to access.ip_allow, or use another address")


def _try_listening(host: str, port: int) -> None:
    """Take the port for a moment.

    Raises:
        OSError: It cannot be had.
    """
    for family, kind, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
        with socket.socket(family, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
            sock.listen(1)


def _explain_port(exc: OSError, host: str, port: int, *, is_tls: bool) -> Finding:
    place = f"{host}:{port}"
    if exc.errno == errno.EADDRINUSE:
        if _is_ksrpc(_LOOPBACKS.get(host, host), port, is_tls=is_tls):
            return ok("port", f"a ksrpc answers on {place}")
        return fail("port", f"another program listens on {place}", "stop it, or set server.port to another one")
    if exc.errno == errno.EACCES:
        return fail("port", f"this user may not listen on {place}", "set server.port to 1024 or above")
    if exc.errno == errno.EADDRNOTAVAIL:
        return fail("port", f"{host} is no address of this machine", 'server.host = "127.0.0.1", or "0.0.0.0" for all')
    return fail("port", f"{place}: {os.strerror(exc.errno or 0)}", "set server.host and server.port")


def _is_ksrpc(host: str, port: int, *, is_tls: bool) -> bool:
    """Tell whether the program that listens there says what a ksrpc says; nothing is told to it."""
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_S)
    if is_tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=_PROBE_S, context=context)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().read(64) == b"alive\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
