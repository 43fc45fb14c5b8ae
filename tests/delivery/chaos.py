"""Seeded faults against three real workers: `python -m tests.delivery.chaos --seeds 0-19`.

A seed gives a log (with repeats, dead letters and a wrong clock in it), points at which workers kill
themselves, and a schedule of kills, pauses past the session time-out, orderly stops and new workers
while the log is sent. Afterwards what stands on Kafka is held against a single thread that reads
the same messages:

* the alerts that stand are the oracle's, byte for byte;
* every dead letter, every search in a pack and every repeat is one of the messages sent, and no
  message is missing: accepted + refused + late + duplicate = produced;
* the state of every partition is the one that the oracle has;
* no committed offset is beyond what the state has absorbed, and in the end all is committed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaAdminClient, KafkaProducer

from models.detectors import settings_types
from models.packing import decode_pack
from models.pipeline import Standing
from models.stage import Record
from models.ticking import Ticker
from streams.broker import EmbeddedBroker
from streams.commands.config import SHIPPED
from streams.configuration import load
from streams.demo.worker import Worker, free_port, running
from streams.loading import read_latest
from streams.produce import Outgoing, outgoing
from streams.stages import pipeline, stage_kinds
from streams.state import Identity, assemble
from streams.survey import survey
from streams.topics import kafka_name
from tests.live import Live, eventually, log_lines

POINTS = ("after-decode", "after-messages", "after-state", "before-commit", "while-loading")
#: What is done to a worker in the middle, and how often relative to each other.
ACTIONS = ("kill", "kill", "pause", "stop", "join")
WORKERS = 3
#: Seconds over which the log is sent, and after which Kafka gives a silent worker's partitions away.
SENDING, SESSION = 3.0, 3.0


@dataclass(frozen=True)
class Schedule:
    """What a seed does: points of self-inflicted kills by worker, and (second, action) in order."""

    faults: tuple[str | None, ...]
    actions: tuple[tuple[float, str], ...]

    @classmethod
    def of(cls, seed: int) -> Schedule:
        """The schedule of a seed."""
        chance = random.Random(seed)
        faults = tuple(
            f"{chance.choice(POINTS)}:{chance.randint(1, 3)}" if chance.random() < 0.6 else None
            for _ in range(WORKERS)
        )
        times = sorted(chance.uniform(0.3, SENDING) for _ in range(chance.randint(1, 3)))
        return cls(faults, tuple((at, chance.choice(ACTIONS)) for at in times))

    def __str__(self) -> str:
        said = [fault for fault in self.faults if fault]
        return ", ".join([*said, *(f"{action} at {at:.1f} s" for at, action in self.actions)])


@dataclass
class Crew:
    """The workers of one run. Whoever ends is replaced by one without a fault."""

    live: Live
    stack: ExitStack
    workers: list[Worker] = field(default_factory=list)
    paused: list[tuple[float, Worker]] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)

    def start(self, fault: str | None = None) -> None:
        environment = self.live.environment | ({"PROBEWATCH_FAULT": fault} if fault else {})
        log = self.live.folder / f"worker-{len(self.ends)}-{time.monotonic_ns()}.log"
        self.workers.append(self.stack.enter_context(running(environment, free_port(), log)))

    def act(self, action: str, chance: random.Random) -> None:
        """Do something to a worker that is running."""
        awake = [one for one in self.workers if one not in [worker for _, worker in self.paused]]
        if action == "join" or not awake:
            self.start()
            return
        worker = chance.choice(awake)
        if action == "pause":
            worker.process.send_signal(signal.SIGSTOP)
            self.paused.append((time.monotonic() + 1.6 * SESSION, worker))
        else:
            worker.process.send_signal(signal.SIGKILL if action == "kill" else signal.SIGTERM)

    def look_after(self) -> None:
        """Wake who has slept long enough, replace who has ended."""
        for until, worker in list(self.paused):
            if time.monotonic() >= until:
                worker.process.send_signal(signal.SIGCONT)
                self.paused.remove((until, worker))
        for worker in list(self.workers):
            code = worker.process.poll()
            if code is not None:
                # 70 is how a worker ends that lost its right to write. One that is stopped while it is
                # being loaded knows no SIGTERM yet.
                assert code in (0, 70, -signal.SIGKILL, -signal.SIGTERM), (
                    f"exit code {code}: {worker.log.read_text()[-2000:]}"
                )
                self.ends[str(code)] += 1
                self.workers.remove(worker)
                if len(self.workers) < WORKERS:
                    self.start()


class Run:
    """One seed on a broker."""

    def __init__(self, broker: str, seed: int, folder: Path) -> None:
        self.seed = seed
        self.schedule = Schedule.of(seed)
        self.live = Live(broker, f"chaos-{seed}", folder)
        self.live.environment |= {
            "PROBEWATCH_SESSION_TIMEOUT": str(SESSION),
            "PROBEWATCH_BATCH_RECORDS": "20",
        }
        self.live.ensure_topics()
        self.settings = self.live.settings
        self.configuration = load(self.live.config, SHIPPED, settings_types())
        self.messages = self._messages()

    def _messages(self) -> list[Outgoing]:
        lines, _, _ = log_lines(salt=self.seed * 31 + 1)
        chance = random.Random(self.seed)
        good = chance.randrange(60, len(lines) - 60)
        # One clock is wrong by most of a year: nothing may come of it but a search on another day.
        wrong = lines[good].replace(b'"event_time":"2021-0', b'"event_time":"2021-1', 1)
        lines.insert(good, wrong.replace(b'"event_id":"', b'"event_id":"wrong-clock-', 1))
        file = self.live.folder / "events.jsonl"
        file.write_bytes(b"\n".join(lines) + b"\n")
        return list(outgoing([file], Ticker(sources=survey([file]).sources)))

    def play(self) -> Counter[str]:
        """Send the log while the schedule runs its course; how workers ended. Raises AssertionError."""
        chance = random.Random(self.seed)
        producer = KafkaProducer(bootstrap_servers=self.settings.brokers, acks="all")
        with ExitStack() as stack:
            crew = Crew(self.live, stack)
            for fault in self.schedule.faults:
                crew.start(fault)
            actions = list(self.schedule.actions)
            began, topic = time.monotonic(), kafka_name(self.settings, "searches.raw")
            sent = 0
            while sent < len(self.messages) or actions or crew.paused:
                elapsed = time.monotonic() - began
                due = min(len(self.messages), int(len(self.messages) * elapsed / SENDING))
                for message in self.messages[sent:due]:
                    producer.send(topic, key=message.key, value=message.value)
                sent = max(sent, due)
                while actions and actions[0][0] <= elapsed:
                    crew.act(actions.pop(0)[1], chance)
                crew.look_after()
                time.sleep(0.05)
            producer.flush()
            producer.close()

            def done() -> bool:
                crew.look_after()
                return self._all_committed()

            eventually(done, "not everything is committed", 60)
            self.check()
        return crew.ends

    def check(self) -> None:
        """Hold what is on Kafka against a single thread. Raises AssertionError naming the difference."""
        raw = self._read("searches.raw")
        assert sum(map(len, raw.values())) == len(self.messages), "the log was not sent whole"
        oracle, standing = pipeline(self.settings, self.configuration), Standing()
        standing.take(oracle.feed([message.value for message in self.messages]))
        assert self.live.standing().lines() == standing.lines(), "other alerts stand than the oracle's"
        self._check_counts(raw, oracle.counts)
        self._check_state(raw)

    def _check_counts(self, raw: dict[int, list[bytes]], counts: dict[tuple[str, str], int]) -> None:
        """Every message became one thing, and only one."""
        packed: set[tuple[int, int]] = set()
        for values in self._read("searches").values():
            for value in values:
                whole = decode_pack(value)
                packed |= {(whole.origin, offset) for offset in whole.offsets.tolist()}
        letters = [
            json.loads(value) for values in self._read("searches.refused").values() for value in values
        ]
        refused = {(one["source_partition"], one["source_offset"]) for one in letters}
        told = Counter[str]()
        for (name, _), number in counts.items():
            told[name] += number
        assert not packed & refused, "a message was both taken and refused"
        assert len(packed) == told["accepted"] + told["late"], "searches were lost or made up"
        assert len(refused) == told["refused"], "dead letters were lost or made up"
        whole_log = sum(map(len, raw.values()))
        assert len(packed) + len(refused) + told["duplicate"] + told["ticks"] == whole_log

    def _check_state(self, raw: dict[int, list[bytes]]) -> None:
        """The state is what a single thread has after the same records."""
        committed = self._committed()
        for kind in stage_kinds(self.settings, self.configuration):
            read = raw if kind.name == "ingest" else self._read("searches")
            for partition, values in read.items():
                if not values:
                    continue
                place = f"{kind.name}-{partition}"
                records = asyncio.run(
                    read_latest(
                        self.settings.connection(),
                        kafka_name(self.settings, f"state.{kind.name}"),
                        partition,
                    )
                )
                identity = Identity(kind.name, kind.version, partition, self.settings.partitions)
                snapshot = assemble(records, identity)
                assert snapshot is not None, f"{place} has no state"
                at = committed.get((kafka_name(self.settings, kind.topic), partition), 0)
                assert at <= snapshot.manifest.absorbed + 1, f"{place}: {at} committed beyond the state"
                stage = kind.make(partition)
                stage.absorb([Record(offset, value, None) for offset, value in enumerate(values)])
                expected = stage.snapshot(full=True)
                differ = sorted(
                    name
                    for name in {*expected, *snapshot.blocks}
                    if expected.get(name) != snapshot.blocks.get(name)
                )
                assert not differ, f"{place}: the state differs in {differ[:5]}"

    def _read(self, topic: str) -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = {}
        for (partition, _), value in self.live.read(topic).items():
            found.setdefault(partition, []).append(value)
        return found

    def _committed(self) -> dict[tuple[str, int], int]:
        admin = KafkaAdminClient(bootstrap_servers=self.settings.brokers)
        try:
            found = admin.list_group_offsets([self.settings.group_id])
        finally:
            admin.close()
        offsets = found.get(self.settings.group_id, found)
        return {(place.topic, place.partition): at.offset for place, at in offsets.items()}

    def _all_committed(self) -> bool:
        try:
            committed = self._committed()
        except Exception:  # the group has no coordinator for a moment
            return False
        for topic in ("searches.raw", "searches"):
            for partition, values in self._read(topic).items():
                if committed.get((kafka_name(self.settings, topic), partition), 0) != len(values):
                    return False
        return True


def seeds(text: str) -> Iterator[int]:
    """Of "3", "0-19" or "1,5,7-9"."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def main() -> int:
    """Run seeds one after the other; 1 when any fails."""
    options = argparse.ArgumentParser(description="Seeded faults against three workers.")
    options.add_argument("--seeds", default="0-19", help="for example 0-19 or 1,5,7")
    asked = options.parse_args()
    failed: dict[int, str] = {}
    ends: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory(prefix="probewatch-chaos-") as folder:
        for seed in seeds(asked.seeds):
            place = Path(folder) / str(seed)
            place.mkdir()
            began = time.monotonic()
            run = Run(broker.url, seed, place)
            actions.update(action for _, action in run.schedule.actions)
            actions.update(fault.partition(":")[0] for fault in run.schedule.faults if fault)
            try:
                ends += run.play()
                verdict = "ok"
            except AssertionError as error:
                verdict = failed[seed] = str(error)[:2000]
            print(
                f"seed {seed:4}  {time.monotonic() - began:5.1f} s  {verdict}  ({run.schedule})", flush=True
            )
    print(f"\n{'fault':<16} asked for")
    for name, number in sorted(actions.items()):
        print(f"{name:<16} {number}")
    print(f"\nworkers ended: {', '.join(f'{number} with {code}' for code, number in sorted(ends.items()))}")
    print(f"{len(failed)} seeds failed: {sorted(failed)}" if failed else "all seeds held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
