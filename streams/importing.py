"""Turn outside logs into one file of events, sorted by event_time; nothing is lost silently."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from errno import ENOENT
from pathlib import Path
from tempfile import TemporaryDirectory

from models.decoding import SIGNS
from models.search import Search, encode_search
from streams.adapters.base import Adapter, Problem, WrongFormat
from streams.survey import sorted_lines
from streams.whole_file import whole_file


class WrongEncoding(ValueError):
    """The file is not UTF-8; the message names the line and the cure."""


@dataclass(slots=True)
class Summary:
    """What an import gave. `rows` is taken, refused and noted as left out together."""

    taken: int = 0
    refused: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    first_event: str | None = None
    last_event: str | None = None


def import_files(adapter: Adapter, files: Sequence[Path], out: Path, rejects: Path) -> Summary:
    """Read `files` through one adapter; write searches to `out` and refused rows to `rejects`.

    A refused row is one JSON object: file, line, field, detail (what is wrong and the cure); the
    row itself is not copied, since it may name plates and people. Rows are put in order by way of a
    file beside `out`, so memory holds 16 bytes a row and what the adapter remembers. `out` appears
    whole or not at all; `rejects` only when a row was refused.

    Raises OSError, WrongFormat and WrongEncoding, each naming the file.
    """
    summary = Summary()
    if not out.parent.is_dir():
        raise FileNotFoundError(ENOENT, "there is no such folder", str(out.parent))
    rejects.unlink(missing_ok=True)
    # Beside `out`, where there is room for it; a device has no beside.
    place = out.parent if out.is_file() or not out.exists() else None
    with TemporaryDirectory(prefix=".import-", dir=place) as folder:
        unsorted = Path(folder) / "unsorted"
        with unsorted.open("wb") as events:
            for file in files:
                for came in _rows(adapter, file):
                    if isinstance(came, Search):
                        events.write(encode_search(came) + b"\n")
                        summary.taken += 1
                        continue
                    with rejects.open("a", encoding="utf-8") as refused:
                        refused.write(
                            json.dumps({"file": str(file), **came._asdict()}, ensure_ascii=False) + "\n"
                        )
                    summary.refused += 1
        with whole_file(out) as events:
            line = b""
            for _, line in sorted_lines(unsorted):
                if summary.first_event is None:
                    summary.first_event = json.loads(line)["event_time"]
                events.write(line + b"\n")
            summary.last_event = json.loads(line)["event_time"] if line else None
    summary.notes = dict(sorted(adapter.notes.items()))
    return summary


def text_lines(file: Path) -> Iterator[str]:
    """The lines of a UTF-8 file with their line ends, without a byte order mark.

    Raises OSError, or WrongEncoding at the first line that is not UTF-8.
    """
    with file.open("rb", buffering=1 << 20) as stream:
        for number, line in enumerate(stream, 1):
            if number == 1:
                for sign, cure in SIGNS[:2]:
                    if line.startswith(sign):
                        raise WrongEncoding(f"{file} is no text: {cure}")
                if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    raise WrongEncoding(
                        f"{file} is UTF-16; save it as UTF-8, for instance with: iconv -f UTF-16 -t UTF-8"
                    )
                line = line.removeprefix(codecs.BOM_UTF8)
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise WrongEncoding(
                    f"{file}, line {number}: byte {error.start + 1} (0x{line[error.start]:02x}) "
                    "is not UTF-8; save the file as UTF-8, for instance with: iconv -f WINDOWS-1252 -t UTF-8"
                ) from error


def _rows(adapter: Adapter, file: Path) -> Iterator[Search | Problem]:
    try:
        yield from adapter.rows(text_lines(file))
    except WrongFormat as error:
        raise WrongFormat(f"{file} is not in the format {adapter.name}: {error}") from error
