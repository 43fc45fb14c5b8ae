"""The ledger: a chain of entries in which each names the one before it by its digest.

An entry has two digests. `content` is of who did what: kind, actor and body. `digest` is of content,
number, time and the digest of the entry before. So an entry can be shown *sealed*, without saying who did
what, and the chain still holds; an evidence bundle shows the entries about its alert and seals the others.

Digests are SHA-256 over canonical JSON: keys sorted, no spaces, times in UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Kind = Literal["alert", "decision", "access", "account", "lookup", "silence", "configuration", "model"]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Instant = Annotated[datetime, Meta(tz=True)]
T = TypeVar("T")


class Head(NamedTuple):
    """Where a ledger ends: number and digest of its last entry."""

    seq: int
    digest: str


#: The head of a ledger without entries.
START = Head(0, "0" * 64)


class Entry(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One entry. A sealed one has neither kind nor actor nor body."""

    seq: Annotated[int, Meta(ge=1)]
    """Number, from 1 on, without gaps."""
    at: Instant
    """When it was written."""
    kind: Kind | UnsetType = UNSET
    """What sort of thing happened."""
    actor: str | UnsetType = UNSET
    """Whose doing it was: an account, or a part of the program."""
    body: dict[str, Any] | UnsetType = UNSET
    """What happened."""
    content: Digest
    """SHA-256 of kind, actor and body."""
    previous: Digest
    """`digest` of the entry before; 64 zeros for the first."""
    digest: Digest
    """SHA-256 of seq, at, content and previous."""

    @property
    def head(self) -> Head:
        """Where a ledger ends that ends with this entry."""
        return Head(self.seq, self.digest)

    @property
    def sealed(self) -> bool:
        """Whether it does not say who did what."""
        return self.body is UNSET

    def seal(self) -> Entry:
        """The same entry without saying who did what."""
        return Entry(
            seq=self.seq, at=self.at, content=self.content, previous=self.previous, digest=self.digest
        )


def canonical(value: object) -> bytes:
    """A value as the JSON that digests are taken of."""
    return msgspec.json.encode(value, order="sorted")


def sha256(raw: bytes) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(raw).hexdigest()


def content_digest(kind: str, actor: str, body: msgspec.Raw | dict[str, Any]) -> str:
    """The digest of who did what; a body that is `Raw` must be canonical JSON."""
    return sha256(canonical({"kind": kind, "actor": actor, "body": body}))


def entry_digest(seq: int, at: datetime, content: str, previous: str) -> str:
    """The digest that makes the chain."""
    return sha256(canonical({"seq": seq, "at": at.astimezone(UTC), "content": content, "previous": previous}))


def following(head: Head, kind: Kind, actor: str, body: dict[str, Any], at: datetime) -> Entry:
    """The entry that comes after a head. `body` must be what JSON gives back: no tuples, no datetimes.

    Raises:
        ValueError: `at` has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    content = content_digest(kind, actor, body)
    seq, at = head.seq + 1, at.astimezone(UTC)
    return Entry(
        seq=seq,
        at=at,
        kind=kind,
        actor=actor,
        body=body,
        content=content,
        previous=head.digest,
        digest=entry_digest(seq, at, content, head.digest),
    )


def encode_entry(entry: Entry) -> bytes:
    """One line of an exported ledger, without its end."""
    return canonical(entry)


class Fault(Struct, frozen=True, kw_only=True):
    """Something wrong with a file: where, as far as can be known, and a sentence."""

    line: int | None = None
    """From 1 on; none for what is missing at the end."""
    seq: int | None = None
    field: str | None = None
    problem: str

    def __str__(self) -> str:
        where = [f"line {self.line}"] if self.line is not None else []
        where += [f"seq {self.seq}"] if self.seq is not None else []
        where += [f"field {self.field}"] if self.field is not None else []
        return f"{', '.join(where)}: {self.problem}" if where else self.problem


@dataclass
class Chain:
    """Entries checked one after the other; `faults` grows, `head` is where the last one left us.

    After a fault it goes on from what the file says, so that one change is told once. `head` None
    takes the first entry as it comes, for a part of a ledger.
    """

    head: Head | None = START
    faults: list[Fault] = field(default_factory=list)
    entries: int = 0
    _unread: bool = False
    """The line before could not be read, so nobody knows what it was."""
    _doubt: tuple[int, Entry, str] | None = None
    """An entry whose time or digest was changed, with its line and what its digest should be: the next
    entry tells which."""

    def take(self, line: int, entry: Entry) -> None:
        """Check one entry of a line."""
        self.entries += 1
        self._settle(entry.previous)
        before = self.head
        if before is not None:
            self._place(line, entry, before)
        self._whole(line, entry, before)
        self.head, self._unread = entry.head, False

    def unreadable(self, line: int, problem: str) -> None:
        """A line that is no entry."""
        self._settle(None)
        seq = self.head.seq + 1 if self.head is not None else None
        self.faults.append(Fault(line=line, seq=seq, problem=problem))
        self._unread = True

    def end(self, head: str | None = None) -> None:
        """The file ends here; `head` is the digest with which it should."""
        self._settle(None)
        if head is not None and (self.head is None or self.head.digest != head):
            last = f"seq {self.head.seq}" if self.head and self.head.seq else "nothing"
            self.faults.append(
                Fault(
                    problem=f"ends with {last}, which is not the head {head}: the end was cut or is another"
                )
            )

    def _place(self, line: int, entry: Entry, before: Head) -> None:
        """Whether it stands where it should."""
        expected = before.seq + 1
        allowed = (expected, expected + 1) if self._unread else (expected,)
        if entry.seq in allowed:
            return
        if self._restored(entry, seq=expected) == entry.digest:
            said = f"the number was changed, it was {expected}"
            self.faults.append(Fault(line=line, seq=expected, field="seq", problem=said))
        elif entry.seq > expected:
            last = entry.seq - 1
            which = f"entry {last} is" if last == expected else f"entries {expected} to {last} are"
            self.faults.append(Fault(line=line, seq=entry.seq, problem=f"{which} missing before this line"))
        else:
            said = f"comes after seq {before.seq}: inserted, repeated or out of order"
            self.faults.append(Fault(line=line, seq=entry.seq, problem=said))

    def _whole(self, line: int, entry: Entry, before: Head | None) -> None:
        """Whether its digests are right, and if not, which field was changed."""
        told = len(self.faults)

        def say(where: str | None, problem: str) -> None:
            self.faults.append(Fault(line=line, seq=entry.seq, field=where, problem=problem))

        content = entry.content
        if entry.kind is not UNSET and entry.actor is not UNSET and entry.body is not UNSET:
            content = content_digest(entry.kind, entry.actor, entry.body)
        if content != entry.content:
            if self._restored(entry, content=content) == entry.digest:
                say("content", "was changed: kind, actor and body have another digest")
            else:
                say("kind, actor or body", "was changed: they do not have the digest that stands in content")
        follows = before is None or self._unread or entry.previous == before.digest
        true = self._restored(entry)
        if true != entry.digest:
            if before is not None and self._restored(entry, previous=before.digest) == entry.digest:
                say("previous", "was changed: the entry before has another digest")
            elif len(self.faults) == told and not self._known(line):
                self._doubt = line, entry, true
        elif not follows and len(self.faults) == told and not self._known(line):
            say("previous", "the entry before has another digest: it was put here, or that one was exchanged")

    def _known(self, line: int) -> bool:
        return bool(self.faults) and self.faults[-1].line == line

    def _restored(
        self,
        entry: Entry,
        seq: int | None = None,
        content: str | None = None,
        previous: str | None = None,
    ) -> str:
        """The digest that the entry would have with other fields."""
        return entry_digest(seq or entry.seq, entry.at, content or entry.content, previous or entry.previous)

    def _settle(self, following: str | None) -> None:
        """Say which field of the entry before was changed, now that it is known what follows it."""
        if self._doubt is None:
            return
        line, entry, true = self._doubt
        self._doubt = None
        if following == true:
            self.head = Head(entry.seq, true)
        where = {true: "digest", entry.digest: "at"}.get(following or "", "at or digest")
        said = "was changed: number, time, content and the entry before have another digest"
        self.faults.append(Fault(line=line, seq=entry.seq, field=where, problem=said))


class Verdict(NamedTuple):
    """What was found in a file; it is whole when there are no faults."""

    entries: int
    head: Head | None
    faults: tuple[Fault, ...]


def verify(lines: Iterable[bytes], head: str | None = None) -> Verdict:
    """Check an exported ledger: its lines with their ends, and the digest of its head where it is known.

    Without `head` nobody can tell that entries are missing at the end.
    """
    chain = Chain()
    for number, line in enumerate(lines, 1):
        read = read_line(line, Entry)
        if isinstance(read, str):
            chain.unreadable(number, read)
        elif read.sealed:
            chain.unreadable(number, "is sealed: a ledger shows every entry")
        else:
            chain.take(number, read)
    chain.end(head)
    return Verdict(chain.entries, chain.head, tuple(chain.faults))


def read_line(line: bytes, kind: type[T]) -> T | str:
    """What stands in a line, or what is wrong with it."""
    if not line.endswith(b"\n"):
        return "does not end: the file was cut here"
    try:
        found = msgspec.json.decode(line[:-1], type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return f"cannot be read: {error}"
    if (
        isinstance(found, Entry)
        and len({entry is UNSET for entry in (found.kind, found.actor, found.body)}) > 1
    ):
        return "is neither whole nor sealed: it has some of kind, actor and body"
    if canonical(found) != line[:-1]:
        return "bytes were changed: this is not how an entry is written"
    return found
