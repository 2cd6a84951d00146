"""Reads the lines of an import file, whatever is in it: a bad line is a result, never an exception."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, cast

from tickets.errors import Invalid

Format = Literal["github", "jsonl", "csv"]
FORMATS: tuple[Format, ...] = ("github", "jsonl", "csv")

TITLE_COLUMNS = ("title", "summary", "name", "subject")
# A description of 250,000 characters, each escaped as a surrogate pair, is 3 MB.
MAX_LINE = 16 * 1024 * 1024
MAX_ARRAY = 256 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Line:
    """One line of the file: its data, or why it has none. ``place`` is such as "line 12"."""

    place: str
    data: dict[str, Any]
    fault: str = ""


def seekable(stream: BinaryIO) -> BinaryIO:
    """The stream, or a temporary copy where it is a pipe: a file may have to be read twice."""
    if stream.seekable():
        return stream
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - gone when the import has read it
    shutil.copyfileobj(stream, copy)
    copy.seek(0)
    return cast(BinaryIO, copy)


def read_lines(stream: BinaryIO, file_format: Format) -> Iterator[Line]:
    """The file's lines from its start. Empty lines are passed over.

    Raises Invalid for a file that cannot be read at all: CSV without a title column.
    """
    stream.seek(0)
    if file_format == "csv":
        return _csv_lines(stream)
    array = _json_array(stream)
    if array is not None:
        return (_line(f"item {number}", item) for number, item in enumerate(array, 1))
    stream.seek(0)
    return _json_lines(stream)


def _json_array(stream: BinaryIO) -> list[Any] | None:
    """The whole file as one JSON array, as ``gh issue list --json`` prints it; None where it is none."""
    start = stream.read(1024).removeprefix(_BOM).lstrip()
    if not start.startswith(b"["):
        return None
    stream.seek(0)
    content = stream.read(MAX_ARRAY + 1)
    if len(content) > MAX_ARRAY:
        raise Invalid("The file is one JSON array of more than 256 MiB. Write one object per line instead.")
    try:
        array = json.loads(content.removeprefix(_BOM))
    except (ValueError, RecursionError):
        return None
    return array if isinstance(array, list) else None


def _json_lines(stream: BinaryIO) -> Iterator[Line]:
    for number, raw in enumerate(_raw_lines(stream), 1):
        place = f"line {number}"
        if raw is None:
            yield Line(place, {}, f"the line is longer than {MAX_LINE // 1024**2} MiB")
        elif raw.strip():
            yield _json_line(place, raw)


def _json_line(place: str, raw: bytes) -> Line:
    try:
        return _line(place, json.loads(raw.decode("utf-8")))
    except UnicodeDecodeError as error:
        return Line(place, {}, f"not UTF-8 (byte {error.start + 1} of the line)")
    except json.JSONDecodeError as error:
        return Line(place, {}, f"not JSON: {error.msg} (column {error.colno})")
    except (ValueError, RecursionError) as error:
        return Line(place, {}, f"not JSON that can be read: {error}")


def _line(place: str, value: Any) -> Line:
    if isinstance(value, dict):
        return Line(place, value)
    return Line(place, {}, "not a JSON object")


def _raw_lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Lines without the byte order mark; None for one too long to be kept in memory."""
    first = True
    while raw := stream.readline(MAX_LINE):
        if first:
            raw = raw.removeprefix(_BOM)
            first = False
        if len(raw) < MAX_LINE or raw.endswith(b"\n"):
            yield raw
            continue
        while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
            pass
        yield None


def _csv_lines(stream: BinaryIO) -> Iterator[Line]:
    csv.field_size_limit(MAX_LINE)
    head = stream.read(64 * 1024).removeprefix(_BOM).split(b"\n", 1)[0]
    delimiter = max(_DELIMITERS, key=lambda mark: head.count(mark.encode()))
    stream.seek(0)
    reader = csv.reader(_csv_text(stream), delimiter=delimiter)
    try:
        header = _csv_header(next(reader, []))
    except csv.Error as error:
        raise Invalid(f"The file is not CSV: {error}.") from None
    return _csv_records(reader, header)


def _csv_header(cells: list[str]) -> list[str]:
    header = ["_".join(cell.strip().lower().split()) for cell in cells]
    if not set(TITLE_COLUMNS) & set(header):
        raise Invalid(f"The first line names no title column. Its columns are: {', '.join(header)[:500] or 'none'}.")
    return header


def _csv_records(reader: Any, header: list[str]) -> Iterator[Line]:
    """A quoted cell may span lines: a record's place is the line on which it begins."""
    while True:
        place = f"line {reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # Where a quote went astray, what follows would be read as other than it is.
            yield Line(place, {}, f"not CSV ({error}); the rest of the file was not read")
            return
        if any(cell.strip() for cell in cells):
            yield _csv_record(place, header, cells)


def _csv_record(place: str, header: list[str], cells: list[str]) -> Line:
    if len(cells) > len(header):
        return Line(place, {}, f"{len(cells)} cells, but the first line names {len(header)} columns")
    data = {name: cell for name, cell in zip(header, cells, strict=False) if name and cell.strip()}
    if any("\udc80" <= character <= "\udcff" for cell in data.values() for character in cell):
        return Line(place, {}, "not UTF-8")
    return Line(place, data)


def _csv_text(stream: BinaryIO) -> Iterator[str]:
    for raw in _raw_lines(stream):
        if raw is None:
            raise csv.Error(f"a line is longer than {MAX_LINE // 1024**2} MiB")
        # Bytes that are no UTF-8 become surrogates, by which their record is known as bad.
        yield raw.decode("utf-8", "surrogateescape")
