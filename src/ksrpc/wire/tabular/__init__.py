"""Types of pandas on the wire. Imported when the first of them is met; importing it registers writers and readers."""

from ksrpc.wire.tabular import extension, frame, index, offset, scalar, series

__all__ = ["extension", "frame", "index", "offset", "scalar", "series"]
