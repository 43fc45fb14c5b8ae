"""A back-test from its inputs to its outcome."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from analysis.backtesting import crew
from analysis.backtesting.feeding import Feed
from analysis.backtesting.lanes import MOST_REFUSED, Refused, Subject
from analysis.backtesting.logs import Place, prepare
from analysis.backtesting.parts import partition
from analysis.backtesting.running import read_done, run_part
from analysis.backtesting.survey import survey
from analysis.backtesting.topic import Span, read_topic
from analysis.backtesting.work import Plan, Work, request
from models.alert import Alert, decode_alert
from models.pipeline import Standing
from models.ticking import EVERY_SECONDS
from streams.exits import Stop
from streams.serving import Pointer
from streams.settings import load_settings

#: Seconds between two states of a part from which it can be gone on.
CHECKPOINT = 30.0


@dataclass(frozen=True)
class Options:
    """How a back-test is done; nothing here changes an alert but `in_order`, `close` and `tick_seconds`,
    which mean what they mean for `replay`."""

    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    in_order: bool = False
    close: bool = True
    tick_seconds: float = EVERY_SECONDS
    resume: bool = False
    checkpoint: float = CHECKPOINT


@dataclass(frozen=True)
class Outcome:
    """What one configuration gave."""

    subject: Subject
    standing: Standing
    counts: Counter[tuple[str, str]]

    @property
    def alerts(self) -> list[Alert]:
        """Those that stand in the end, by time of decision."""
        return self.standing.alerts()

    def count(self, name: str) -> int:
        """How often something was counted, over all labels."""
        return sum(number for (key, _), number in self.counts.items() if key == name)


class NoSearch(NamedTuple):
    """A line that is no search: where it stands, which field is wrong, why, and what to do."""

    place: Place
    reason: str
    field: str | None
    detail: str


@dataclass(frozen=True)
class Result:
    """What a back-test gave, an outcome for each configuration. At most `MOST_REFUSED` refused lines are
    kept, the first ones."""

    outcomes: tuple[Outcome, ...]
    lines: int
    refused: tuple[NoSearch, ...]
    agencies: tuple[str, ...]
    """All agencies that the logs name."""
    parts: int
    span: tuple[float, float] | None = None
    """From when to when time passes in the logs, epoch seconds; None where it hardly does."""


class Progress(NamedTuple):
    """How far it is: lines read, and of how many; 0 of 0 while the logs are surveyed."""

    read: int
    of: int


class BackTest:
    """One run; iterate it for its progress, then ask for its result."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        inputs: Sequence[Path],
        folder: Path,
        options: Options,
        span: Span | None = None,
    ) -> None:
        """`folder` is where work is kept until it is done. Raises Stop when it cannot be begun, or gone on
        with when that is asked for."""
        self._subjects, self._inputs, self._span, self._options = subjects, inputs, span, options
        key = load_settings().pseudonym_key
        asked = request(
            subjects, inputs, str(span or ""),
            in_order=options.in_order, close=options.close, tick_seconds=options.tick_seconds,
            keyed=hashlib.sha256(key.get_secret_value().encode()).hexdigest()[:16] if key else "",
        )  # fmt: skip
        try:
            self._work = Work(folder, asked, resume=options.resume)
        except OSError as error:
            raise _cannot_write(error, folder) from error

    @property
    def resumed(self) -> bool:
        """Whether it goes on with work that was begun before."""
        return self._options.resume and self._work.plan is not None

    def __iter__(self) -> Iterator[Progress]:
        """Do the work. Raises Stop when it cannot be done."""
        yield Progress(0, 0)
        try:
            plan = self._work.plan or self._survey()
            yield from self._judge(plan)
        except OSError as error:
            raise _cannot_write(error, self._work.folder) from error

    def _survey(self) -> Plan:
        options = self._options
        logs = prepare(self._inputs, self._work.folder, in_order=options.in_order)
        if self._span is not None:
            logs.append(read_topic(self._span, self._subjects[0].settings, self._work.folder))
        declared = {
            name for one in self._subjects for name in one.configuration.reference.sources if name != "*"
        }
        found = survey(
            [log.path for log in logs],
            declared,
            options.jobs,
            every=options.tick_seconds,
            close=options.close,
        )
        dealt = partition(found, [one.configuration.reference for one in self._subjects], options.jobs)
        models = Pointer(self._subjects[0].settings.models_dir).look()
        return self._work.write(logs, found.sizes, found.pairs, found.ticks, dealt, models)

    def _judge(self, plan: Plan) -> Iterator[Progress]:
        dealt, jobs = self._work.dealt(), self._options.jobs
        undone = self._work.undone()
        before = sum(plan.lines) - sum(plan.lines[part] for part in undone)
        # With few parts a core is free for the watch stage of each.
        apart = jobs > 1 and self._subjects[0].settings.stage_processes and len(undone) * 2 <= max(jobs, 2)
        paths = [log.path for log in plan.the_logs()]

        def work(part: int, told: crew.Told) -> None:
            feed = Feed(paths, plan.sizes, dealt.of_line, part, plan.sources[part], plan.ticks, plan.models)
            run_part(
                feed, self._subjects, self._work.folder,
                apart=apart, every=self._options.checkpoint, progress=told,
            )  # fmt: skip

        yield Progress(before, sum(plan.lines))
        for read in crew.run(undone, work, jobs):
            yield Progress(before + sum(read.values()), sum(plan.lines))

    def result(self) -> Result:
        """What it gave, once it has been done."""
        plan = self._work.plan
        assert plan is not None
        outcomes = [Outcome(one, Standing(), Counter()) for one in self._subjects]
        refused: list[Refused] = []
        for part in range(len(plan.sources)):
            done = read_done(self._work.folder, part)
            refused += done.refused
            for outcome, told in zip(outcomes, done.outcomes, strict=True):
                outcome.standing.put(map(decode_alert, told.alerts))
                outcome.counts.update(told.counts)
        refused.sort(key=lambda one: one.line)
        logs = plan.the_logs()
        passed = [one.at for one in plan.ticks if not one.end]
        begins = [sum(plan.sizes[:place]) for place in range(len(logs))]

        def place(line: int) -> Place:
            log = bisect_right(begins, line) - 1
            return logs[log].place(line - begins[log] + 1)

        return Result(
            outcomes=tuple(outcomes),
            lines=sum(plan.lines),
            refused=tuple(
                NoSearch(place(one.line), one.reason, one.field, one.detail) for one in refused[:MOST_REFUSED]
            ),
            agencies=tuple(sorted({agency for _, agency in plan.pairs if agency is not None})),
            parts=len(plan.sources),
            span=(passed[0], passed[-1]) if passed else None,
        )

    def finish(self) -> None:
        """Remove the folder of work: the result is where it should be."""
        self._work.remove()


def _cannot_write(error: OSError, folder: Path) -> Stop:
    return Stop(f"cannot use {error.filename or folder}: {error.strerror or error}")
