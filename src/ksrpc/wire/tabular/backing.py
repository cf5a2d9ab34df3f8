"""Columns of pandas around somebody else's arrays: of pyarrow, and of numpy as it is.

Rules: text of Arrow travels as text does, which whoever has no pyarrow can read and arguments may hold; every other
Arrow type as an IPC stream, in results only.

Source: docs/spec/wire.md "Extension arrays".
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ksrpc.errors import DecodeError, MissingExtraError
from ksrpc.wire.array import write_plain_array
from ksrpc.wire.decoder import Decoder
from ksrpc.wire.encoder import Encoder
from ksrpc.wire.feature import CURES
from ksrpc.wire.objects import write_objects
from ksrpc.wire.registry import Refusal
from ksrpc.wire.tabular import arrow
from ksrpc.wire.tabular.column import read_column
from ksrpc.wire.tabular.extension import ARRAY_READERS, ARRAY_WRITERS, write_text
from ksrpc.wire.tabular.library import pd

__all__ = ["NUMPY_DTYPE", "read_arrow_dtype", "write_arrow_dtype"]

_NUMPY_ARRAY: Final[Any] = getattr(pd.arrays, "NumpyExtensionArray", None) or pd.arrays.PandasArray
#: Type of the data type of such an array.
NUMPY_DTYPE: Final[Any] = type(_NUMPY_ARRAY(np.zeros(0)).dtype)
#: Text under 2 GiB fits the offsets of `string`; more comes in several chunks.
_TEXT_BYTES: Final = (1 << 31) - 1


def _write_arrow(encoder: Encoder, array: Any) -> list[Any]:
    if arrow.text_storage(array.dtype) and array.nbytes <= _TEXT_BYTES:
        return write_text(encoder, array)
    _expect_result(encoder, array.dtype)
    from ksrpc.wire.columnar.stream import write_stream  # noqa: PLC0415  # it imports pyarrow, which is in use

    table = arrow.make_table(array)
    return ["arrow", write_stream(encoder, table.schema, table)]


def write_arrow_dtype(encoder: Encoder, dtype: Any) -> Any:
    """Encode the type of Arrow that an ArrowDtype is about."""
    _expect_result(encoder, dtype)
    from ksrpc.wire.columnar.stream import write_stream  # noqa: PLC0415  # it imports pyarrow, which is in use

    return write_stream(encoder, arrow.make_schema(dtype))


def _expect_result(encoder: Encoder, dtype: Any) -> None:
    if not encoder.table.trusted:
        name = encoder.table.name
        raise Refusal(
            f"{dtype} cannot travel in {name}: convert it with convert_dtypes(dtype_backend='numpy_nullable')"
        )


def _content(decoder: Decoder, node: Any) -> Any:
    if not decoder.table.trusted:
        raise DecodeError(f"Arrow memory is not accepted in {decoder.table.name}")
    if not arrow.has_arrow():
        raise MissingExtraError(f"this value needs pyarrow: {CURES['arrow']}")
    from ksrpc.wire.columnar.stream import read_stream  # noqa: PLC0415  # it imports pyarrow, for the first such value

    content = read_stream(decoder, node)
    if len(content.schema) != 1:
        raise DecodeError("an Arrow column that is not one")
    return content


def _read_arrow(decoder: Decoder, node: Any) -> Any:
    return pd.arrays.ArrowExtensionArray(_content(decoder, node).table().column(0))


def read_arrow_dtype(decoder: Decoder, node: Any) -> Any:
    """Return the ArrowDtype of a type of Arrow."""
    return pd.ArrowDtype(_content(decoder, node).schema.field(0).type)


def _write_numpy(encoder: Encoder, array: Any) -> list[Any]:
    if type(array) is not _NUMPY_ARRAY:
        raise Refusal(f"a {type(array).__name__} cannot travel")
    values = array.to_numpy()
    if values.dtype == object:
        return ["np", [len(values), *write_objects(encoder, values)]]
    return ["np", write_plain_array(encoder, values)]


def _read_numpy(decoder: Decoder, node: Any) -> Any:
    if type(node) is np.ndarray:
        if node.ndim != 1 or not decoder.claim(node):
            raise DecodeError("a column of the wrong shape, or memory that stands in two columns")
        return _NUMPY_ARRAY(node)
    return _NUMPY_ARRAY(read_column(decoder, decoder.expect(node, list)))


ARRAY_WRITERS.update({pd.ArrowDtype: _write_arrow, NUMPY_DTYPE: _write_numpy})
ARRAY_READERS.update({"arrow": _read_arrow, "np": _read_numpy})
