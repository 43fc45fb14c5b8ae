"""Workers over a filled topic: how long until everything is absorbed, and what it cost.

The clock begins when the last look at the idle workers saw nothing taken yet. It ends when every
search has its fate and the watch stage has absorbed every pack, plus the seconds that the checkpoints
took which were still to come. Those wait for their turn, up to a second; only their work is counted,
not the wait, and the run counts only if they come: until the lag by committed offsets is 0.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.brokers import Broker
from bench.filling import fill
from bench.processes import cpu_seconds, family_cpu_seconds, family_peak_resident
from streams.demo.worker import Worker
from streams.exits import Stop
from streams.settings import load_settings
from streams.topics import ensure

#: Each search becomes exactly one of these.
FATES = ("accepted", "refused", "late", "duplicate")
#: Seconds between looks, seldom while the end is far: each costs the worker some milliseconds.
LEAST, MOST = 0.05, 0.5
#: Seconds without progress after which a worker stands still.
PATIENCE = 120.0


@dataclass(frozen=True)
class Scene:
    """Where workers run: the broker, the configuration, partitions, and a prefix of topics' names."""

    broker: Broker
    config: Path
    partitions: int
    prefix: str = ""

    def topic(self, name: str) -> str:
        """The name in Kafka of a logical topic."""
        return self.prefix + name

    def prepare(self) -> None:
        """Make the topics."""
        ensure(
            load_settings(
                broker=self.broker.url,
                partitions=self.partitions,
                topics_create=True,
                topic_prefix=self.prefix,
                config_dir=self.config,
            )
        )

    def fill(self, files: Sequence[Path]) -> int:
        """Put the files on `searches.raw`, which is made if need be; the number of messages."""
        self.prepare()
        return fill(self.broker.bootstrap, self.topic("searches.raw"), self.partitions, files)

    def environment(self, session_timeout: float = 6.0, *, ticks: str = "off") -> dict[str, str]:
        """The settings of a worker in this scene."""
        return {
            "PROBEWATCH_BROKER": self.broker.url,
            "PROBEWATCH_GROUP_ID": f"{self.prefix}bench",
            "PROBEWATCH_TOPIC_PREFIX": self.prefix,
            "PROBEWATCH_PARTITIONS": str(self.partitions),
            "PROBEWATCH_TICKS": ticks,
            "PROBEWATCH_SESSION_TIMEOUT": f"{session_timeout:g}",
            "PROBEWATCH_CONFIG_DIR": str(self.config),
            "PROBEWATCH_DATA_DIR": str(self.config),
        }


@dataclass(frozen=True)
class Absorbed:
    """A run over all searches. `durable` is until nothing was left to commit, waiting included."""

    searches: int
    seconds: float
    durable: float
    worker_cpu: float
    broker_cpu: float
    peak_bytes: int
    shares: tuple[float, ...]
    """What part of the searches each worker took."""

    @property
    def per_second(self) -> float:
        """Searches a second."""
        return self.searches / self.seconds


@dataclass(frozen=True)
class _Look:
    at: float
    fates: tuple[float, ...]
    watched: float
    lag: float
    checkpoints: tuple[float, ...]

    @property
    def done(self) -> float:
        return sum(self.fates)


def absorb(workers: Sequence[Worker], broker: Broker, searches: int) -> Absorbed:
    """Follow workers until everything is done. Raises Stop when one dies or all stand still."""
    pids = [worker.process.pid for worker in workers]
    looks: list[_Look] = []
    began, moved = _look(workers), time.perf_counter()
    worker_before, broker_before = _cpu(pids, broker)
    while True:
        look = _look(workers)
        if not look.done:
            began = look
            worker_before, broker_before = _cpu(pids, broker)
        if not looks or (look.done, look.watched, look.lag) != (
            looks[-1].done, looks[-1].watched, looks[-1].lag,
        ):  # fmt: skip
            moved = look.at
        looks.append(look)
        if look.done >= searches and look.lag == 0:
            break
        if look.at - moved > PATIENCE:
            raise Stop(f"the workers stand still at {look.done:,.0f} of {searches:,} searches")
        time.sleep(_pause(looks, began.at, searches))
    worker_after, broker_after = _cpu(pids, broker)
    end = next(one for one in looks if one.done >= searches and one.watched == look.watched)
    rest = max(after - now for after, now in zip(look.checkpoints, end.checkpoints, strict=True))
    return Absorbed(
        searches=int(look.done),
        # Checkpoints of several partitions may be written side by side.
        seconds=min(end.at - began.at + rest, look.at - began.at),
        durable=look.at - began.at,
        worker_cpu=worker_after - worker_before,
        broker_cpu=broker_after - broker_before,
        peak_bytes=sum(map(family_peak_resident, pids)),
        shares=tuple(fate / look.done for fate in look.fates),
    )


def _look(workers: Sequence[Worker]) -> _Look:
    at = time.perf_counter()
    found = []
    for worker in workers:
        worker.check()
        found.append(worker.figures())
    lags = [figures for figures in found if any(name.startswith("probewatch_lag_") for name in figures)]
    return _Look(
        at=at,
        fates=tuple(
            sum(total(figures, f"probewatch_searches_{fate}_total") for fate in FATES) for figures in found
        ),
        watched=sum(
            figures.get('probewatch_records_consumed_total{agent="watch"}', 0.0) for figures in found
        ),
        lag=(
            sum(total(figures, "probewatch_lag_records") for figures in found)
            if len(lags) == len(found)
            else float("inf")
        ),
        checkpoints=tuple(total(figures, "probewatch_checkpoint_seconds_sum") for figures in found),
    )


def total(figures: dict[str, float], name: str) -> float:
    """A metric summed up over its labels."""
    return sum(value for series, value in figures.items() if series.split("{", 1)[0] == name)


def _pause(looks: Sequence[_Look], began: float, searches: int) -> float:
    """Half of what is left at the pace so far."""
    last = looks[-1]
    if not last.done:
        return LEAST
    left = (searches - last.done) * (last.at - began) / last.done
    return min(MOST, max(LEAST, left / 2))


def _cpu(pids: Sequence[int], broker: Broker) -> tuple[float, float]:
    return sum(map(family_cpu_seconds, pids)), cpu_seconds(broker.pid)
