"""Attacks by bytes: bodies that are no arguments, each by its name, and what only answers may hold."""

from __future__ import annotations

import struct
from typing import NamedTuple

import msgspec

from ksrpc import wire
from tests.security.transport.hostile import message

_PACK = msgspec.msgpack.encode


class Body(NamedTuple):
    """Describe bytes that no gateway may take for arguments."""

    name: str
    kind: str
    rows: str
    data: bytes


#: Tags that only answers have: a request with one is no request (H3).
RESULT_TAGS = {
    "exception": 0x30,
    "handle-or-enum": 0x34,
    "big-integer": 0x05,
    "recarray": 0x16,
    "unknown-tag": 0x7F,
}


def _tagged(number: int) -> bytes:
    tag = [msgspec.msgpack.Ext(1, bytes([number])), "os.system", ["touch x"], ["y"], [], None, {}, ""]
    return message(_PACK([[tag], {}]))


_WHOLE = wire.pack_arguments((1, "text", b"x" * 1000), {"key": 2.5}).join()
_HEAD = _PACK([[1], {}])
ODD: dict[str, bytes] = {
    "nothing": b"",
    "one-byte": b"K",
    "magic-alone": b"KSW1",
    "other-magic": b"KSW9" + _WHOLE[4:],
    "other-version": _WHOLE[:4] + b"\xff" + _WHOLE[5:],
    "pickle": b"\x80\x04cos\nsystem\n(Vtouch x\ntR.",
    "pickle-of-protocol-5": b"\x80\x05\x95\x10\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93.",
    "marshal": b"\xe3\0\0\0\0",
    "npy-of-objects": b"\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "html": b"<script>alert(1)</script>",
    "json": b'{"args": [1]}',
    "zip": b"PK\x03\x04" + bytes(30),
    "yaml": b"!!python/object/apply:os.system ['id']",
    "cut-in-the-head": _WHOLE[:20],
    "cut-in-the-middle": _WHOLE[: len(_WHOLE) // 2],
    "one-byte-short": _WHOLE[:-1],
    "one-byte-too-many": _WHOLE + b"\0",
    "twice": _WHOLE * 2,
    "null": message(_PACK(None)),
    "number": message(_PACK(7)),
    "text": message(_PACK("text")),
    "list-of-nothing": message(_PACK([])),
    "positional-alone": message(_PACK([[1]])),
    "three-parts": message(_PACK([[], {}, 1])),
    "swapped-parts": message(_PACK([{}, []])),
    "names-that-are-numbers": message(_PACK([[], {1: 2}])),
    "extension-nobody-knows": message(_PACK([[msgspec.msgpack.Ext(77, bytes(8))], {}])),
    "text-that-is-no-text": message(b"\x92\x91\xa3\xff\xfe\xfd\x80"),
    "reserved-byte": message(b"\x92\x91\xc1\x80"),
}
LARGE: dict[str, bytes] = {
    "buffer-of-a-terabyte": message(b"\x92\x90\x80", sizes=(1 << 40,)),
    "buffers-that-overflow": message(b"\x92\x90\x80", buffers=4, sizes=(3, 1 << 62, 1 << 62, 1 << 62)),
    "four-billion-buffers": struct.pack("<4sBBHII", b"KSW1", 1, 0, 0, 0xFFFFFFFF, 0),
    "lists-in-lists": message(b"\x92" + b"\x91" * 50_000 + b"\x90\x80"),
    "maps-in-maps": message(b"\x92\x91" + b"\x81\xa1a" * 20_000 + b"\xc0\x80"),
    "list-of-four-billion": message(b"\x92\xdd\xff\xff\xff\xff\x80"),
    "map-of-four-billion": message(b"\x92\x90\xdf\xff\xff\xff\xff"),
    "bytes-of-four-billion": message(b"\x92\x91\xc6\xff\xff\xff\xff\x80"),
    "text-of-four-billion": message(b"\x92\x91\xdb\xff\xff\xff\xff\x80"),
    "extension-of-four-billion": message(b"\x92\x91\xc9\xff\xff\xff\xff\x01\x80"),
    "chunk-that-grows": struct.pack("<4sBBHIIQ", b"KSW1", 1, 0, 0, 1, 0, 1 << 30)
    + struct.pack("<BBBBIII", 1, 0, 0, 0, 1 << 30, 4, 0)
    + b"abcd",
    "codec-nobody-knows": struct.pack("<4sBBHIIQ", b"KSW1", 1, 0, 0, 1, 0, len(_HEAD))
    + struct.pack("<BBBBIII", 99, 0, 0, 0, len(_HEAD), len(_HEAD), 0)
    + _HEAD,
}

BODIES: list[Body] = [
    *(Body(f"tag-{name}", "gadget", "H3", _tagged(number)) for name, number in RESULT_TAGS.items()),
    *(Body(f"body-{name}", "bytes", "H3", data) for name, data in ODD.items()),
    *(Body(f"body-{name}", "bomb", "H22", data) for name, data in LARGE.items()),
]
