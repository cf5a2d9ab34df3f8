"""The certificate with which this server speaks TLS.

Source: docs/reference/config.md "[server]"; https://docs.python.org/3/library/ssl.html.
"""

from __future__ import annotations

import os
import shlex
import ssl
import stat
from pathlib import Path

from ksrpc.errors import ConfigError

#: What nobody but the owner, and perhaps a group of theirs, may do with a key.
_OTHERS = stat.S_IRWXO | stat.S_IWGRP


def make_tls_context(cert: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """Return the context of a server; with `client_ca` of one that lets in only who shows a certificate of these.

    Raises:
        ConfigError: The files are no certificate and its key, or no certificates of authorities, or others can read
            the key; the text names the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    load_chain(context, cert, key)
    if client_ca is not None:
        _require_clients(context, client_ca)
    return context


def _require_clients(context: ssl.SSLContext, client_ca: Path) -> None:
    """Have a context ask every client for a certificate of one of the authorities in a file."""
    try:
        context.load_verify_locations(client_ca)
    except ssl.SSLError as exc:
        raise ConfigError(f"{client_ca} holds no certificates in PEM form ({exc.reason or exc})") from exc
    except OSError as exc:
        raise ConfigError(f"{client_ca} cannot be read: {exc.strerror}") from exc
    context.verify_mode = ssl.CERT_REQUIRED


def load_chain(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    """Have a context show a certificate from the next handshake on.

    Raises:
        ConfigError: As `make_tls_context`.
    """
    for path in (cert, key):
        if not path.is_file():
            raise ConfigError(f"there is no file {path}")
    try:
        if key.stat().st_mode & _OTHERS:
            raise ConfigError(f"others can read or change the key {key}: chmod go-rwx {shlex.quote(str(key))}")
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as exc:
        raise ConfigError(_explain(exc, cert, key)) from exc
    except OSError as exc:
        named = exc.filename or key if os.access(cert, os.R_OK) else cert
        raise ConfigError(f"{named} cannot be read: {exc.strerror}") from exc


def _explain(exc: ssl.SSLError, cert: Path, key: Path) -> str:
    if exc.reason == "KEY_VALUES_MISMATCH":
        return f"{cert} is not the certificate of the key {key}"
    return f"{cert} and {key} are no certificate and its key in PEM form ({exc.reason or exc})"


def _no_password() -> str:
    raise ConfigError("the key is encrypted; give one without a pass phrase, which nobody else can read")
