"""Paths and addresses of the network: values that say where something is. Nothing is opened, resolved or looked up.

Rule: a path that is not pure says where files of its own side are; it travels in arguments only.

Source: docs/spec/wire.md "Paths and addresses".
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final

from ksrpc.errors import DecodeError, TooLargeError
from ksrpc.wire import tag
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.registry import READERS, WRITERS, Refusal
from ksrpc.wire.table import RESULT_TABLE

__all__: list[str] = []

_OWN: Final = "windows" if os.name == "nt" else "posix"
_PURE: Final[dict[str, Any]] = {"posix": PurePosixPath, "windows": PureWindowsPath}
_FLAVOURS: Final[dict[type, tuple[str, bool]]] = {
    PurePosixPath: ("posix", True),
    PosixPath: ("posix", False),
    PureWindowsPath: ("windows", True),
    WindowsPath: ("windows", False),
}
#: pathlib takes time that grows with the square of the number of parts to compare some paths.
_PATH_CHARS: Final = 1 << 16
_ADDRESSES: Final[dict[int, type]] = {4: ipaddress.IPv4Address, 16: ipaddress.IPv6Address}
_NETWORKS: Final[dict[int, Any]] = {4: ipaddress.IPv4Network, 16: ipaddress.IPv6Network}
_INTERFACES: Final[dict[int, Any]] = {4: ipaddress.IPv4Interface, 16: ipaddress.IPv6Interface}
_ZONE: Final = re.compile(r"[^%/\s]{1,64}")


def _write_path(encoder: Encoder, value: Any) -> Any:
    if isinstance(value, Path) and encoder.table is RESULT_TABLE:
        raise Refusal("a path of files of this side cannot travel in a result: return its text if it may leave")
    text = str(value)
    if len(text) > _PATH_CHARS:
        raise Refusal(f"a path of more than {_PATH_CHARS} characters")
    return [encoder.mark(tag.PATH), *_FLAVOURS[type(value)], encoder.node(text)]


def _read_path(decoder: Decoder, flavour: Any, is_pure: Any, text: Any) -> Any:
    kind = _PURE[decoder.expect(flavour, str)]
    if len(decoder.expect(text, str)) > _PATH_CHARS:
        raise TooLargeError(f"a path of {len(text)} characters, the limit is {_PATH_CHARS}")
    is_own = not decoder.expect(is_pure, bool) and flavour == _OWN
    return Path(text) if is_own else kind(text)


def _write_address(encoder: Encoder, value: Any) -> Any:
    return [encoder.mark(tag.ADDRESS), "address", value.packed, None, getattr(value, "scope_id", None)]


def _write_interface(encoder: Encoder, value: Any) -> Any:
    zone = getattr(value, "scope_id", None)
    return [encoder.mark(tag.ADDRESS), "interface", value.packed, value.network.prefixlen, zone]


def _write_network(encoder: Encoder, value: Any) -> Any:
    address = value.network_address
    return [encoder.mark(tag.ADDRESS), "network", address.packed, value.prefixlen, getattr(address, "scope_id", None)]


def _read_address(decoder: Decoder, kind: Any, packed: Any, prefix: Any, zone: Any) -> Any:
    address: Any = _ADDRESSES[len(decoder.expect(packed, bytes))](packed)
    if zone is not None:
        if type(address) is not ipaddress.IPv6Address or not _ZONE.fullmatch(decoder.expect(zone, str)):
            raise DecodeError("an address with a zone that cannot be")
        address = ipaddress.IPv6Address(f"{address}%{zone}")
    if kind == "address" and prefix is None:
        return address
    bits = decoder.integer(prefix, 0, 8 * len(packed))
    kinds = {"network": _NETWORKS, "interface": _INTERFACES}[decoder.expect(kind, str)]
    return kinds[len(packed)](f"{address}/{bits}")


WRITERS.update(dict.fromkeys(_FLAVOURS, _write_path))
WRITERS.update(dict.fromkeys(_ADDRESSES.values(), _write_address))
WRITERS.update(dict.fromkeys(_NETWORKS.values(), _write_network))
WRITERS.update(dict.fromkeys(_INTERFACES.values(), _write_interface))
READERS.update({tag.PATH: _read_path, tag.ADDRESS: _read_address})
