"""Types of pandas on the wire. Imported when the first of them is met; importing it registers writers and readers."""

from ksrpc.wire.tabular import backing, extension, frame, index, offset, scalar, series, sparse

__all__ = ["backing", "extension", "frame", "index", "offset", "scalar", "series", "sparse"]
