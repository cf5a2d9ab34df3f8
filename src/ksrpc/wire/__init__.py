"""Values to bytes and back: exact, bounded, nothing executed on the way in.

Source: docs/spec/wire.md.
"""

from ksrpc.wire.codec import CODECS
from ksrpc.wire.compaction import LEAST_BYTES, Compaction, open_compaction
from ksrpc.wire.cover import error_text
from ksrpc.wire.failure import pack_error, parse_error
from ksrpc.wire.feature import lacking
from ksrpc.wire.message import VERSION, Message, pack_abort
from ksrpc.wire.negotiation import (
    FEATURES,
    INFLATED,
    MEDIA_TYPE,
    Agreement,
    accept_text,
    negotiate,
    share_codecs,
    share_features,
)
from ksrpc.wire.pace import Pace
from ksrpc.wire.reader import Reader
from ksrpc.wire.table import REQUEST_ANY_TABLE, REQUEST_TABLE, RESULT_TABLE, Table
from ksrpc.wire.value import check_arguments, pack, pack_arguments, parse, parse_arguments

__all__ = [
    "CODECS",
    "FEATURES",
    "INFLATED",
    "LEAST_BYTES",
    "MEDIA_TYPE",
    "REQUEST_ANY_TABLE",
    "REQUEST_TABLE",
    "RESULT_TABLE",
    "VERSION",
    "Agreement",
    "Compaction",
    "Message",
    "Pace",
    "Reader",
    "Table",
    "accept_text",
    "check_arguments",
    "error_text",
    "lacking",
    "negotiate",
    "open_compaction",
    "pack",
    "pack_abort",
    "pack_arguments",
    "pack_error",
    "parse",
    "parse_arguments",
    "parse_error",
    "share_codecs",
    "share_features",
]
