"""The call protocol, sans I/O: frames, sessions, credit. Time is an argument.

Source: docs/spec/protocol.md.
"""

from ksrpc.protocol.callee import Callee
from ksrpc.protocol.caller import Caller
from ksrpc.protocol.frame import FIN, Buffer, Flag, Frame, FrameType, Meta, pack_head, parse_frame
from ksrpc.protocol.stream import Framer, pack_length

__all__ = [
    "FIN",
    "Buffer",
    "Callee",
    "Caller",
    "Flag",
    "Frame",
    "FrameType",
    "Framer",
    "Meta",
    "pack_head",
    "pack_length",
    "parse_frame",
]
