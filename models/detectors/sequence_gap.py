"""Records that are missing from a log whose records are numbered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from models.alert import Finding
from models.days import instant
from models.detectors.base import Settings, SourceDay, SourceDetector
from models.wording import plural

#: Missing runs followed at once; older ones are final by then.
MOST_RUNS = 256


class SequenceGapSettings(Settings, kw_only=True, frozen=True):
    """Settings of `sequence_gap`."""

    grace_days: Annotated[int, Meta(ge=0, le=30)] = 1
    """Closed days that a missing number is given to turn up with a later event time."""
    minimum_missing: Annotated[int, Meta(ge=1)] = 1
    """Fewest numbers missing in a row that are reported."""


class _Run(Struct, array_like=True):
    first: int
    last: int
    after: float
    """Event time of the record before the gap."""
    before: float
    """Event time of the record that showed the gap."""
    shown_by: str
    found_on: int
    """Day on which it was found."""


class _State(Struct, array_like=True):
    highest: int | None = None
    at: float = 0.0
    """Event time of the highest number so far."""
    runs: list[_Run] = []


class SequenceGap(SourceDetector):
    """Numbers missing between two records of one source.

    A source that numbers its records (`source_sequence`, up by one each) proves by it that none
    was taken out. A number that is still missing `grace_days` closed days after a higher one was
    seen is reported; the finding is exact and has no p-value. A counter that starts again is
    taken for a restart when the new numbers begin below a tenth of the highest.

    Innocent explanations: a crash that lost numbers, a test record that was purged, an export that
    leaves out another agency's searches, a record refused as unreadable (see the dead letters).
    Blind spots: records cut off at the end of a log before anything follows (see `silence`); a
    source that numbers afresh after it has removed something.

    Source: California Civil Code 1798.90.52 and CJIS 5.4 ask for a complete audit record.
    """

    function = "sequence_gap"
    settings_type = SequenceGapSettings
    judging = SourceDetector.judging | {"grace_days", "minimum_missing"}
    bytes_per_key = 200 * MOST_RUNS

    settings: SequenceGapSettings

    def __init__(self, name: str, settings: Settings, source_id: str) -> None:
        super().__init__(name, settings, source_id)
        self._state = _State(runs=[])

    def close(self, day: SourceDay) -> Iterable[Finding]:
        """Follow the day's numbers; report what has been missing for too long."""
        # In the order of time, so that a counter that starts again in mid-day is seen to.
        for number, at, event in zip(day.sequences, day.times, day.event_ids, strict=True):
            if number is not None:
                self._see(number, at, event, day.number)
        state = self._state
        due = [
            run for run in state.runs if day.ended or day.number - run.found_on >= self.settings.grace_days
        ]
        state.runs = [run for run in state.runs if run not in due][-MOST_RUNS:]
        return [
            self._finding(run) for run in due if run.last - run.first + 1 >= self.settings.minimum_missing
        ]

    def _see(self, number: int, at: float, event: str, day: int) -> None:
        state = self._state
        if state.highest is None:
            state.highest, state.at = number, at
            return
        if number > state.highest:
            if number > state.highest + 1:
                state.runs.append(_Run(state.highest + 1, number - 1, state.at, at, event, day))
            state.highest, state.at = number, at
            return
        for index, run in enumerate(state.runs):
            if run.first <= number <= run.last:
                rest = [
                    _Run(first, last, run.after, run.before, run.shown_by, run.found_on)
                    for first, last in ((run.first, number - 1), (number + 1, run.last))
                    if first <= last
                ]
                state.runs[index : index + 1] = rest
                return
        if number < state.highest // 10:
            state.highest, state.at = number, at

    def _finding(self, run: _Run) -> Finding:
        missing = run.last - run.first + 1
        numbers = f"number {run.first}" if missing == 1 else f"numbers {run.first} to {run.last}"
        begin, end = min(run.after, run.before), max(run.after, run.before)
        span = f"{instant(begin):%d %B %Y %H:%M} and {instant(end):%d %B %Y %H:%M} UTC"
        return Finding(
            entity_kind="source",
            entity=self.source_id,
            window_start=begin,
            window_end=end,
            first_seen=begin,
            opened=float(run.first),
            severity="critical" if missing >= 100 else "high",
            observed=float(missing),
            expected=0.0,
            interval=(0.0, 0.0),
            evidence=(run.shown_by,),
            explanation=(
                f"{plural(missing, 'record')} missing from the log of source {self.source_id} where 0 [0-0] "
                f"may be: {numbers}, between {span}; the log went on with number {run.last + 1:,}."
            ),
        )

    def snapshot(self) -> dict[str, bytes]:
        """One block."""
        return {"state": msgspec.msgpack.encode(self._state)}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        with self.reading():
            self._state = msgspec.msgpack.decode(blocks["state"], type=_State)
