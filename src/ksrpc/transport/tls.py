"""Whom a client trusts when it speaks TLS, and as whom it shows itself.

Source: docs/reference/client.md "TLS"; https://docs.python.org/3/library/ssl.html.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ksrpc.errors import ConfigError

_SUFFIXES = (".pem", ".crt", ".cer")
#: By these OpenSSL finds the system's authorities.
_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
#: OpenSSL's X509_V_ERR_*: what is wrong with a certificate → what to do.
_UNKNOWN_ISSUER = frozenset({18, 19, 20, 21})
_CURES = {
    9: "it is not valid yet: set this machine's clock",
    10: "it has expired: the server needs a new one",
    62: "it is for other names: use a URL with the name that is in it",
    64: "it is not for this address: use a URL with the name that is in it",
}


class Trust(NamedTuple):
    """Name the files of one connection's TLS.

    Attributes:
        ca: PEM file of the authorities that are trusted, or a folder of such files; empty: those of the system.
        cert: The client's own certificate, and its key; empty: it shows none.
        key: Empty if it is in the same file.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""


def find_trust(ca: str | os.PathLike[str] | None, cert: object) -> Trust:
    """Return what arguments and environment name.

    Raises:
        ConfigError: There is no such file.
    """
    trusted = os.fspath(ca) if ca else os.environ.get("KSRPC_CA", "")
    files = tuple(map(os.fspath, cert)) if isinstance(cert, tuple | list) else (cert or "",)
    if not all(isinstance(name, str) for name in files) or len(files) > 2:
        raise ConfigError("cert is a PEM file, or a pair of certificate and key")
    trust = Trust(trusted, *(str(name) for name in files))
    for name, path in (("ca" if ca else "KSRPC_CA", trust.ca), ("cert", trust.cert), ("cert", trust.key)):
        if path and not Path(path).exists():
            raise ConfigError(f"{name}: there is no file {path}")
    return trust


def make_context(trust: Trust) -> ssl.SSLContext:
    """Return the context of a connection: made once, and again when a file has changed.

    Raises:
        ConfigError: A file holds something else.
    """
    changes = tuple(_changed_at(path) for path in trust if path)
    return _make_context(trust, changes, tuple(os.environ.get(name) for name in _VARIABLES))


def _changed_at(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=16)
def _make_context(trust: Trust, _changes: tuple[int, ...], _variables: tuple[str | None, ...]) -> ssl.SSLContext:
    if trust.ca:
        context = ssl.create_default_context(cadata=_load_authorities(Path(trust.ca)))
    else:
        context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if trust.cert:
        load_certificate(context, trust.cert, trust.key)
    return context


def load_certificate(context: ssl.SSLContext, cert: str, key: str) -> None:
    """Have a context show a certificate.

    Raises:
        ConfigError: The files are no certificate and its key.
    """
    files = f"{cert} and {key}" if key else cert
    try:
        context.load_cert_chain(cert, key or None, password=_no_password)
    except ssl.SSLError as exc:
        raise ConfigError(f"cert: {files} are no certificate and its key in PEM form: {exc.reason or exc}") from exc
    except OSError as exc:
        raise ConfigError(f"cert: {files} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigError(f"cert: {files}: {exc}") from exc


def _no_password() -> str:
    raise ValueError("the key is encrypted; give one without a pass phrase, readable by its owner alone")


def _load_authorities(path: Path) -> str:
    """Read certificates of authorities.

    Raises:
        ConfigError: There are none.
    """
    try:
        files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES) if path.is_dir() else [path]
        text = "\n".join(file.read_text("ascii", errors="replace") for file in files)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text.replace("\ufffd", "?"))
    except OSError as exc:  # SSLError is one
        reason = "no certificate in PEM form is in it" if isinstance(exc, ssl.SSLError) else exc.strerror
        raise ConfigError(f"ca: {path}: {reason}") from exc
    except ValueError as exc:
        raise ConfigError(f"ca: {path}: no certificate in PEM form is in it") from exc
    return text.replace("\ufffd", "?")


def explain_tls(exc: ssl.SSLError) -> str:
    """Say why TLS could not be agreed on, and what cures it."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        if exc.verify_code in _UNKNOWN_ISSUER:
            cure = "give the certificate of its authority as ca='FILE.pem', or in $KSRPC_CA"
            return f"its certificate is of an authority that this machine does not know; {cure}"
        told = _CURES.get(exc.verify_code)
        return f"its certificate does not do: {told}" if told else f"its certificate does not do: {exc.verify_message}"
    if exc.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "what answers there does not speak TLS: is it http:// (ws://)?"
    if exc.reason and "ALERT" in exc.reason and "CERTIFICATE" in exc.reason:
        return f"the server does not take this client's certificate ({exc.reason}): give one as cert=('FILE', 'KEY')"
    return f"TLS could not be agreed on: {exc.reason or exc}"
