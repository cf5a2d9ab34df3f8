"""Which extra brings a package that is missing. Nothing here needs one itself.

Source: docs/reference/cli.md.
"""

from __future__ import annotations

from typing import Final

_OWN: Final = "ksrpc"
#: Packages that only one extra brings, whatever they are needed for.
_EXTRAS: Final = {"pyarrow": "arrow", "pydantic": "server", "uvicorn": "server"}


def describe_missing(exc: ModuleNotFoundError, *, extra: str) -> str:
    """Say which package is missing, and what installs it.

    Args:
        exc: What its import raised.
        extra: The extra that whoever asks needs.

    Raises:
        ModuleNotFoundError: It is a part of ksrpc that is missing: a fault of ours.
    """
    package = (exc.name or "").partition(".")[0]
    if package in ("", _OWN):
        raise exc
    return f"{package} is not installed: pip install 'ksrpc[{_EXTRAS.get(package, extra)}]'"
