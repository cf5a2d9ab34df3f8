"""Where the answer of `ksrpc call` goes, and in which format: a file by its extension, or a pipe.

A file is written beside its place and moved there when it is whole.

Source: docs/reference/cli.md "ksrpc call".
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import click

from ksrpc.errors import ConfigError, EncodeError, MissingExtraError, NotAcceptableError
from ksrpc.text import clean
from ksrpc.wire import view
from ksrpc.wire.block import is_framed
from ksrpc.wire.columnar import export
from ksrpc.wire.simple import Options

_MEDIA_TYPES: Final = {
    "csv": "text/csv",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "text": "text/plain",
}
_ARROW: Final = ("parquet", "arrow")
#: Formats that are no text.
_BINARY: Final = (*_ARROW, "bin")
FORMATS: Final = (*_MEDIA_TYPES, *_BINARY)
EXTENSIONS: Final = {
    ".csv": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".txt": "text",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".bin": "bin",
}
_PICKLES: Final = (".pkl", ".pickle")


@dataclass(frozen=True, slots=True)
class Target:
    """Hold where an answer goes: to a file, or to standard output if `path` is None.

    Attributes:
        format: One of FORMATS; None leaves it to what is written: a table is CSV, all else JSON.
    """

    path: Path | None
    format: str | None

    @property
    def is_terminal(self) -> bool:
        """Tell whether a person reads it."""
        return self.path is None and sys.stdout.isatty()

    def save(self, value: Any) -> None:
        """Write a value there, whole or not at all.

        Raises:
            NotAcceptableError: The value has no such format.
            ConfigError: The file cannot be written.
        """
        fmt = self.format or ("csv" if is_framed(value) else "json")
        write = _WRITERS[fmt]
        if self.path is not None:
            with _replacing(self.path) as file:
                write(file, value, fmt)
            return
        made = io.BytesIO()  # Arrow's writers close what they write to
        write(made, value, fmt)
        if self.is_terminal:
            click.echo(clean(made.getvalue().decode()), nl=False)
        else:
            sys.stdout.buffer.write(made.getvalue())
            sys.stdout.buffer.flush()


def make_target(output: str | None, fmt: str | None) -> Target:
    """Check where an answer is to go, before the call is made.

    Raises:
        click.UsageError: The extension is unknown, the folder is not there, or a terminal would get binary data.
        MissingExtraError: The format needs a package that is not installed.
    """
    path = None if output in (None, "-") else Path(str(output))
    if path is not None:
        fmt = fmt or _format_of(path)
        _check_place(path)
    if fmt in _ARROW and find_spec("pyarrow") is None:
        raise MissingExtraError(f"{fmt} needs pyarrow, which is not installed: pip install 'ksrpc[arrow]'")
    target = Target(path, fmt)
    if fmt in _BINARY and target.is_terminal:
        raise click.UsageError(f"{fmt} is not for a terminal: use -o FILE")
    return target


def is_frame(value: Any) -> bool:
    """Tell whether a value is a table of pandas, without loading pandas for it."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series)


def _format_of(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise click.UsageError(f"-o {path}: pickle is never written; .parquet and .arrow keep all types of a table")
    if suffix not in EXTENSIONS:
        known = " ".join(EXTENSIONS)
        raise click.UsageError(f"-o {path}: the extension says the format, and is one of {known}; or give --format")
    return EXTENSIONS[suffix]


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise click.UsageError(f"-o {path} is a folder")
    if not path.parent.is_dir():
        raise click.UsageError(f"-o {path}: there is no folder {path.parent}")
    if not os.access(path if _is_device(path) else path.parent, os.W_OK):
        raise click.UsageError(f"-o {path}: you may not write there")


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file()


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes the place of another when it is whole, and is gone when it is not."""
    try:
        if _is_device(path):
            with path.open("wb") as file:
                yield file
            return
        place = Path(os.path.realpath(path))
        part = place.with_name(f".{place.name[:100]}.{secrets.token_hex(8)}.part")
        try:
            with part.open("xb") as file:
                yield file
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror or exc}") from exc


def _write_view(file: BinaryIO, value: Any, fmt: str) -> None:
    media_type = _MEDIA_TYPES[fmt]
    offered = view.available(value)
    if media_type not in offered:
        names = ", ".join(name for name, known in _MEDIA_TYPES.items() if known in offered)
        raise NotAcceptableError(f"no {fmt} of this {type(value).__name__}; there is {names}")
    last = b""
    for piece in view.iter_view(value, media_type=media_type):
        file.write(piece)
        last = piece or last
    if not last.endswith(b"\n"):
        file.write(b"\n")


def _write_bytes(file: BinaryIO, value: Any, fmt: str) -> None:
    if not isinstance(value, bytes | bytearray):
        raise NotAcceptableError(f"no {fmt} of this {type(value).__name__}, only of bytes; there is json")
    file.write(value)


def _write_parquet(file: BinaryIO, value: Any, fmt: str) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only who asks for it pays for it

    pq.write_table(_arrow_table(value, fmt), file)


def _write_arrow(file: BinaryIO, value: Any, fmt: str) -> None:
    import pyarrow as pa  # noqa: PLC0415 - only who asks for it pays for it

    table = _arrow_table(value, fmt)
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
        if not len(table):  # then nothing was written, and the categories would be lost
            columns = [column.combine_chunks() for column in table.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=table.schema))


def _arrow_table(value: Any, fmt: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only who asks for it pays for it

    if not is_framed(value):
        raise NotAcceptableError(f"no {fmt} of this {type(value).__name__}, only of tables; there is json")
    if not is_frame(value) or _has_truths(value):
        return _exported(value, fmt)
    frame = value.to_frame("value" if value.name is None else value.name) if value.ndim == 1 else value
    try:
        return pa.Table.from_pandas(frame)
    except (pa.ArrowException, ValueError, TypeError) as exc:
        raise NotAcceptableError(f"no {fmt} of this table: {exc}; there is csv, json, ndjson") from exc


def _exported(value: Any, fmt: str) -> Any:
    try:
        return export.make_table(value, Options())
    except EncodeError as exc:
        raise NotAcceptableError(f"no {fmt} of this table: {exc}") from exc


def _has_truths(table: Any) -> bool:
    """Tell whether labels are truths: pyarrow writes them as it does texts, and cannot read them back."""
    return table.ndim > 1 and any(type(label).__name__ in ("bool", "bool_") for label in table.columns)


_Writer: TypeAlias = Callable[[BinaryIO, Any, str], None]
_WRITERS: Final[dict[str, _Writer]] = {
    **dict.fromkeys(_MEDIA_TYPES, _write_view),
    "bin": _write_bytes,
    "parquet": _write_parquet,
    "arrow": _write_arrow,
}
