"""The registry: an append-only file of ledger entries, and the pointer file that workers look at.

`registry.jsonl` holds one entry a change, chained as `models.ledger` says, so `./probewatch ledger verify`
checks it. It is the record; `serving.json` is made of it and can be made again. The console's ledger takes
its entries over (`console.intake.registry`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from errno import ENOSPC
from pathlib import Path

import msgspec

from analysis.registry.changes import Change, Models, NotAllowed, body, folded, signed
from models.ledger import START, Entry, Head, encode_entry, following, verify
from streams.serving import POINTER, REGISTRY
from streams.whole_file import whole_file


class Damaged(Exception):
    """The registry is not what was written; the text names the lines."""


class Registry:
    """The registry in a folder of models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entries(self) -> list[Entry]:
        """All entries, the chain checked. Raises Damaged."""
        return self._read()[0]

    def models(self) -> Models:
        """The models as they stand. Raises Damaged."""
        return _folded(self.entries())

    def change(self, by: str, change: Change, at: datetime | None = None) -> tuple[Entry, Models]:
        """Append a change and write the pointer file. One process at a time.

        Raises:
            NotAllowed: a rule forbids it; nothing was written.
            Damaged: the file is not what was written.
            OSError: it cannot be written.
        """
        by = signed(by)
        with self._locked():
            entries, head = self._read()
            models = _folded(entries)
            models.take(head.seq + 1, by, change)
            entry = following(head, "model", by, body(change), at or datetime.now(UTC))
            self._append(encode_entry(entry) + b"\n")
            self._point(models)
        return entry, models

    def repair(self) -> None:
        """Write the pointer file anew. Raises Damaged and OSError."""
        with self._locked():
            self._point(self.models())

    def _append(self, line: bytes) -> None:
        """Add a line whole or not at all: half of one would make the chain unreadable."""
        with (self.folder / REGISTRY).open("ab", buffering=0) as stream:
            before = stream.tell()
            try:
                if stream.write(line) < len(line):
                    raise OSError(ENOSPC, "only part of an entry could be written", stream.name)
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(before)
                raise

    def _point(self, models: Models) -> None:
        with whole_file(self.folder / POINTER) as stream:
            stream.write(msgspec.json.encode(models.statements))
            stream.flush()
            os.fsync(stream.fileno())

    def _read(self) -> tuple[list[Entry], Head]:
        try:
            raw = (self.folder / REGISTRY).read_bytes()
        except FileNotFoundError:
            return [], START
        verdict = verify(raw.splitlines(keepends=True))
        if verdict.faults:
            raise Damaged(f"{self.folder / REGISTRY}: {'; '.join(map(str, verdict.faults[:3]))}")
        return [msgspec.json.decode(line, type=Entry) for line in raw.splitlines()], verdict.head or START

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _folded(entries: list[Entry]) -> Models:
    try:
        return folded(
            (entry.seq, str(entry.actor), msgspec.convert(entry.body, Change))
            for entry in entries
            if entry.kind == "model"
        )
    except (NotAllowed, msgspec.ValidationError) as error:
        raise Damaged(f"the registry holds what its rules forbid: {error}") from None
