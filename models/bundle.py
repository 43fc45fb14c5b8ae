"""The evidence bundle of one alert: a file that proves by itself what it says, without us and offline.

Its lines are JSON objects, each a part of a kind. First the contents: the alert, the searches that are its
evidence, what normal use would have given, the clause with its source, the configuration. Then the chain:
the entries of the ledger from the first about the alert up to the export itself. Entries about other things
are sealed. The entry of the export, the last one, holds the number of the first entry and the digest of
every line of the contents; so who changes one must change the chain, and who changes the chain gets another
head. Where the ledger tells what the configuration said that judged the alert, that entry comes along whole,
and the clause is the one that stands in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct

from models.alert import Alert
from models.ledger import Chain, Entry, Fault, Verdict, canonical, read_line, sha256
from models.policy import Clause, Pack
from models.search import Search

FORMAT = 1
#: What the body of the export's entry says it is.
WHAT = "evidence bundle"
#: What normal use would have given, in the alert's own figures.
BASELINE = ("observed", "expected", "interval", "p_value", "score", "window_start", "window_end")

Kind = Literal["bundle", "alert", "search", "baseline", "clause", "configuration", "entry"]


class Part(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One line."""

    part: Kind
    value: dict[str, Any]


def contents(
    alert: Alert,
    searches: Sequence[Search],
    clause: dict[str, Any] | None,
    made_at: datetime,
    told: Entry | None = None,
) -> list[bytes]:
    """The lines before the chain. Evidence that is not among the searches is named as absent.

    `clause` is a `clause_text`, `told` the ledger's entry about the configuration that judged the alert.
    """
    there = {search.event_id for search in searches}
    plain = msgspec.to_builtins(alert)
    about = {
        "format": FORMAT,
        "alert_id": alert.alert_id,
        "made_at": made_at,
        "absent": [event_id for event_id in alert.evidence if event_id not in there],
    }
    parts: list[tuple[Kind, Any]] = [("bundle", about), ("alert", plain)]
    parts += [("search", search) for search in searches]
    parts.append(("baseline", {name: plain[name] for name in BASELINE}))
    if clause is not None:
        parts.append(("clause", clause))
    judged_by: dict[str, Any] = {"config_digest": alert.config_digest, "detector": alert.detector,
                                 "detector_version": alert.detector_version}  # fmt: skip
    parts.append(("configuration", judged_by if told is None else {**judged_by, "entry": told}))
    return [canonical({"part": part, "value": value}) + b"\n" for part, value in parts]


def export_body(alert_id: str, lines: Sequence[bytes], first: int) -> dict[str, Any]:
    """The body of the entry that tells of the export; `first` is the number of the chain's first entry."""
    return {"what": WHAT, "alert_id": alert_id, "first": first, "lines": [sha256(line) for line in lines]}


def chain_line(entry: Entry) -> bytes:
    """A line of the chain."""
    return canonical({"part": "entry", "value": entry}) + b"\n"


def is_bundle(first: bytes) -> bool:
    """Whether a file that begins with this line is meant to be a bundle."""
    return b'"part":"' in first and b'"previous":' not in first


def verify_bundle(lines: Iterable[bytes], head: str | None = None) -> Verdict:
    """Check a bundle: its lines with their ends, and the digest of the ledger's head at the export if known.

    Without `head` a bundle proves that nothing in it was changed since, unless everything was made up.
    """
    chain = Chain(head=None)
    before: list[tuple[int, bytes]] = []
    parts: dict[Kind, list[tuple[int, dict[str, Any]]]] = {}
    own: list[Entry] = []
    for number, line in enumerate(lines, 1):
        part = read_line(line, Part)
        if isinstance(part, str):
            # In the chain it stands for an entry; in the contents its digest will be wrong.
            if chain.entries:
                chain.unreadable(number, part)
            else:
                chain.faults.append(Fault(line=number, problem=part))
                before.append((number, line))
        elif part.part == "entry":
            try:
                entry = msgspec.convert(part.value, Entry)
            except msgspec.ValidationError as error:
                chain.unreadable(number, f"is no entry: {error}")
                continue
            chain.take(number, entry)
            own += [] if entry.sealed else [entry]
        elif chain.entries:
            chain.faults.append(Fault(line=number, problem="stands behind the chain, where nothing may"))
        else:
            before.append((number, line))
            parts.setdefault(part.part, []).append((number, part.value))
    chain.end(head)
    faults = [*chain.faults, *_anchored(before, own, chain), *_agreeing(parts, own)]
    return Verdict(chain.entries, chain.head, tuple(faults))


def _anchored(before: Sequence[tuple[int, bytes]], own: Sequence[Entry], chain: Chain) -> list[Fault]:
    """Whether the contents are those of which the last entry tells."""
    last = own[-1] if own else None
    told = last.body if last is not None and last.body is not UNSET else {}
    if last is None or chain.head is None or last.seq != chain.head.seq or told.get("what") != WHAT:
        return [Fault(problem="the last entry does not tell of the export: the end was cut or is another")]
    faults = []
    if told.get("first") != own[0].seq:
        faults.append(
            Fault(problem=f"the chain does not begin with seq {told.get('first')}: its begin was cut")
        )
    digests = [*map(str, told.get("lines", ()))]
    found = [sha256(line) for _, line in before]
    faults += [
        Fault(
            line=number, problem="was changed, or does not belong here: the ledger's entry has another digest"
        )
        for (number, _), digest in zip(before, found, strict=True)
        if digest not in digests
    ]
    missing = [place for place, digest in enumerate(digests, 1) if digest not in found]
    if len(found) < len(digests):
        faults += [
            Fault(line=place, problem="the line that was here is missing or changed") for place in missing
        ]
    if not faults and found != digests:
        faults.append(Fault(problem="lines of the contents are out of order or repeated"))
    return faults


def _agreeing(parts: dict[Kind, list[tuple[int, dict[str, Any]]]], own: Sequence[Entry]) -> list[Fault]:
    """Whether what the contents say of the alert is what the chain says, field by field."""
    faults: list[Fault] = []
    versions = [entry for entry in own if entry.kind == "alert"]
    stated = parts.get("alert", [])
    if not versions or len(stated) != 1:
        return [Fault(problem="there is no alert, or the chain does not tell of it")]
    latest = versions[-1]
    assert latest.body is not UNSET
    truth = latest.body
    for kind, names in (
        ("alert", sorted(truth)),
        ("baseline", BASELINE),
        ("configuration", ("config_digest",)),
    ):
        for line, value in parts.get(kind, []):  # type: ignore[call-overload]
            faults += [
                Fault(line=line, seq=latest.seq, field=name, problem=f"differs from the {kind} in the ledger")
                for name in names
                if value.get(name) != truth.get(name)
            ]
    evidence = set(truth.get("evidence", ()))
    faults += [
        Fault(line=line, field="event_id", problem="is no evidence of this alert")
        for line, value in parts.get("search", [])
        if value.get("event_id") not in evidence
    ]
    faults += [
        Fault(line=line, field="id", problem="is not the clause that the alert names")
        for line, value in parts.get("clause", [])
        if value.get("id") != truth.get("clause")
    ]
    for line, value in parts.get("configuration", []):
        if "entry" in value:
            faults += _told(line, value["entry"], truth, parts.get("clause", []))
    return faults


def _told(
    line: int, raw: object, truth: dict[str, Any], clauses: list[tuple[int, dict[str, Any]]]
) -> list[Fault]:
    """Whether the entry about the configuration is whole, of this alert, and holds the clause."""
    try:
        entry = msgspec.convert(raw, Entry)
    except msgspec.ValidationError as error:
        return [Fault(line=line, field="entry", problem=f"is no entry: {error}")]
    alone = Chain(head=None)
    alone.take(line, entry)
    alone.end()
    if alone.faults or entry.body is UNSET:
        return [Fault(line=line, seq=entry.seq, field="entry", problem="is not as the ledger had it")]
    body = entry.body
    faults = []
    if entry.kind != "configuration" or body.get("config_digest") != truth.get("config_digest"):
        faults.append(
            Fault(line=line, seq=entry.seq, field="entry", problem="is of another configuration than judged")
        )
    said = {clause["id"]: clause for pack in body.get("packs", ()) for clause in pack["clauses"]}
    return faults + [
        Fault(line=place, seq=entry.seq, problem="is not the clause that the configuration had")
        for place, value in clauses
        if said.get(value.get("id")) != value
    ]


def configuration_body(config_digest: str, packs: Iterable[Pack]) -> dict[str, Any]:
    """The body of an entry that tells what a configuration says: its digest, and every clause."""
    told = [
        {"name": pack.name, "title": pack.title, "clauses": [clause_text(clause) for clause in pack.clauses]}
        for pack in packs
    ]
    return {"config_digest": config_digest, "packs": told}


def clause_text(clause: Clause) -> dict[str, Any]:
    """A clause as a reader needs it: its days as dates, without the examples."""
    fields = msgspec.to_builtins(clause)
    del fields["examples"]
    for name in ("valid_from", "valid_to"):
        if fields[name] is not None:
            fields[name] = date.fromordinal(fields[name]).isoformat()
    return dict(fields)
