"""Old state under a changed configuration: what is kept, what is dropped, and what is refused.

Every manifest says which detectors its state was written by, and with which of the settings that
decide what a detector counts. A detector that is new starts empty, one that is gone is dropped,
and one that now counts something else is refused by name: its figures would be read as figures of
another thing, and the alerts would be wrong without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from models.detectors import discover
from models.detectors.base import SourceDetector
from models.panel import Chosen
from streams.partition import StageKind
from streams.state import Misfit, Shape, Snapshot

#: In the name of a block, between whom it belongs to and what it holds.
_OWNER_END, _DETECTOR = "\0", "detector/"


@dataclass(frozen=True)
class FittedKind(StageKind):
    """A kind of stage that knows its detectors: the shape of their state, by name of the stanza."""

    shapes: Mapping[str, Shape]


def fitted(kinds: Iterable[StageKind], stanzas: Sequence[Chosen]) -> tuple[FittedKind, ...]:
    """The kinds with the detectors that run in each: those of a source in ingest, others in watch."""
    functions = discover()
    shapes: dict[str, dict[str, Shape]] = {"ingest": {}, "watch": {}}
    for stanza in stanzas:
        stage = "ingest" if issubclass(functions[stanza.function], SourceDetector) else "watch"
        shapes[stage][stanza.name] = shape(stanza)
    return tuple(FittedKind(**vars(kind), shapes=shapes[kind.name]) for kind in kinds)


def shape(stanza: Chosen) -> Shape:
    """What decides how the state of a detector is to be read."""
    judging = discover()[stanza.function].judging
    # As it comes back from a manifest, where a tuple is a list.
    given: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(stanza.settings))
    return Shape(stanza.function, {name: value for name, value in given.items() if name not in judging})


class Fit(NamedTuple):
    """The blocks that are used; names of blocks that are not; detectors that are new, and gone."""

    blocks: dict[str, bytes]
    dropped: tuple[str, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]


def fit(snapshot: Snapshot, shapes: Mapping[str, Shape]) -> Fit:
    """The part of a snapshot that the detectors of today can go on with.

    Raises:
        Misfit: a detector counts something else than it did; the text names it and the setting.
    """
    written = snapshot.manifest.detectors
    if written is not None:
        known = [(name, written[name], now) for name, now in sorted(shapes.items()) if name in written]
        wrong = [said for name, then, now in known if (said := _change(name, then, now))]
        if wrong:
            raise Misfit("; ".join(wrong))
    names = {*shapes, *(written or ())}
    owners = {block: name for block in snapshot.blocks if (name := _detector(block, names)) is not None}
    before = set(owners.values()) | set(written or ())
    gone = before - shapes.keys()
    dropped = tuple(block for block, name in owners.items() if name in gone)
    kept = {name: block for name, block in snapshot.blocks.items() if owners.get(name) not in gone}
    # Without a list of who wrote it, one without any block may be new or may have had nothing to keep.
    new = () if written is None else tuple(sorted(shapes.keys() - before))
    return Fit(kept, dropped, new, tuple(sorted(gone)))


def _change(name: str, then: Shape, now: Shape) -> str:
    """How a detector differs from the one that wrote its state; empty when it does not."""
    if then.function != now.function:
        return f"detector {name} was of function {then.function}, now it is of {now.function}"
    common = [setting for setting in now.settings if setting in then.settings]
    other = [setting for setting in common if then.settings[setting] != now.settings[setting]]
    if not other:
        return ""
    before, after = (
        ", ".join(f"{setting}: {_yaml(one.settings[setting])}" for setting in other) for one in (then, now)
    )
    return f"detector {name} was written with {before}, now it has {after}"


def _detector(block: str, names: Iterable[str]) -> str | None:
    """The detector that a block belongs to. A name may hold a slash, so known ones are tried first."""
    _, _, rest = block.partition(_OWNER_END)
    if not rest.startswith(_DETECTOR):
        return None
    rest = rest.removeprefix(_DETECTOR)
    fitting = [name for name in names if rest.startswith(f"{name}/")]
    return max(fitting, key=len, default=rest.partition("/")[0])


def _yaml(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{', '.join(map(_yaml, value))}]"
    return str(value)
