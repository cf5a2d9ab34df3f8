"""Values to bytes and back: exact, bounded, nothing executed on the way in.

Source: docs/spec/wire.md.
"""

from ksrpc.wire.codec import CODECS
from ksrpc.wire.cover import error_text
from ksrpc.wire.failure import pack_error, parse_error
from ksrpc.wire.message import VERSION, Message, pack_abort
from ksrpc.wire.negotiation import FEATURES, MEDIA_TYPE, Agreement, negotiate
from ksrpc.wire.reader import Reader
from ksrpc.wire.table import REQUEST_ANY_TABLE, REQUEST_TABLE, RESULT_TABLE, Table
from ksrpc.wire.value import check_arguments, pack, pack_arguments, parse, parse_arguments

__all__ = [
    "CODECS",
    "FEATURES",
    "MEDIA_TYPE",
    "REQUEST_ANY_TABLE",
    "REQUEST_TABLE",
    "RESULT_TABLE",
    "VERSION",
    "Agreement",
    "Message",
    "Reader",
    "Table",
    "check_arguments",
    "error_text",
    "negotiate",
    "pack",
    "pack_abort",
    "pack_arguments",
    "pack_error",
    "parse",
    "parse_arguments",
    "parse_error",
]
