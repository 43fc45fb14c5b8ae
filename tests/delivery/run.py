"""One seed from beginning to end: a log, three workers, the faults of its schedule, and the verdict."""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaError

from models.detectors import settings_types
from models.search import Tick
from models.ticking import Ticker
from streams.commands.config import SHIPPED
from streams.configuration import Configuration, load
from streams.produce import outgoing
from streams.survey import survey
from streams.topics import TOPICS, kafka_name, partition_of
from tests.delivery.crew import Crew
from tests.delivery.schedule import SENDING, Kind, Schedule
from tests.delivery.sites import REQUEST, Embedded, Errand, Site, Sites
from tests.delivery.verdict import Deviation, Verdict, ahead, all_committed, committed, read_all
from tests.live import Live, log_lines

#: Seconds after which Kafka gives a silent worker's partitions away: the least that may be set.
SESSION = 3.0
#: Share of the log that is there before anything happens, and that is held back until all has.
BEFORE, HELD = 0.15, 0.12
#: Seconds for the first work, for the schedule, and for a fault point to be reached at the end: many times
#: what they take, but no run may last for ever.
FIRST_WORK, DISTURBED, REACHED = 90.0, 120.0, 40.0
#: Seconds for the rest to be done. The embedded broker's groups may hang and hang again, see `HANGS`.
DONE: dict[Kind, float] = {"embedded": 240.0, "kafka": 90.0}
#: Seconds between looks at what is committed, and without any progress after which a group is said to hang;
#: it is given twice as long each time, for a slow machine may only need longer.
LOOK_EVERY, HANGS = 1.0, 10.0
#: Records that nothing can be made of, beyond those in every log of these tests.
POISON: tuple[tuple[bytes | None, bytes | None], ...] = (
    (b"\x00", None),
    (None, b""),
    (b"feed", None),
    (b"\xff\x00", b"\x00" * 4096),
    (b"feed", b"[" * 100_000),
    (b"feed", b'{"tick":'),
    (b"mobile", b'{"event_id":"' + b"\xf0\x9f" * 1000),
    (b"mobile", b"\x1f\x8b\x08" + bytes(range(256)) * 2000),
)


class Outcome(msgspec.Struct):
    """How a seed went. `planned` are the faults of its schedule, `happened` those that were seen to
    happen and how often; `ends` says how workers ended."""

    seed: int
    schedule: str
    planned: list[str]
    happened: dict[str, int]
    ends: dict[str, int]
    deviations: list[Deviation]
    messages: int
    alerts: int
    repeats: int
    workers: int
    looks: int
    seconds: float

    @property
    def silent(self) -> list[str]:
        """Faults that were planned and did not happen."""
        return [fault for fault in self.planned if not self.happened.get(fault)]


def play(seed: int, kind: Kind, folder: Path, sites: Sites) -> Outcome:
    """Play one seed on a broker of this kind. Raises KafkaMissing where that cannot be had."""
    began = time.monotonic()
    schedule = Schedule.of(seed, kind)
    with ExitStack() as stack:
        site: Site = stack.enter_context(Embedded()) if kind == "embedded" else sites.apache(schedule.nodes)
        run = _Run(seed, schedule, site, folder)
        stack.callback(run.close)
        try:
            run.through()
        except Exception:  # one seed that cannot be played to its end must not end all others
            run.deviations.append(Deviation("broken off", traceback.format_exc(limit=-6)))
    return Outcome(
        seed=seed,
        schedule=str(schedule),
        planned=sorted(schedule.faults),
        happened=dict(run.happened),
        ends=dict(run.crew.ends),
        deviations=run.deviations,
        messages=len(run.messages),
        alerts=run.alerts,
        repeats=run.repeats,
        workers=run.crew.started,
        looks=run.looks,
        seconds=time.monotonic() - began,
    )


class _Run:
    def __init__(self, seed: int, schedule: Schedule, site: Site, folder: Path) -> None:
        self.schedule = schedule
        self.site = site
        self.chance = random.Random(seed)
        self.live = Live(site.url, f"chaos-{seed}", folder)
        self.live.environment |= {
            "PROBEWATCH_SESSION_TIMEOUT": str(SESSION),
            "PROBEWATCH_REQUEST_TIMEOUT": str(REQUEST),
            "PROBEWATCH_BATCH_RECORDS": "20",
            "PROBEWATCH_REPLICATION": str(site.copies),
        }
        if schedule.jump:
            self.live.environment |= {"PROBEWATCH_TICKS": "clock", "PROBEWATCH_TICK_INTERVAL": "0.3"}
        self.live.ensure_topics()
        self.settings = self.live.settings
        self.messages = self._log(seed)
        self.crew = Crew(self.live.environment, folder, SESSION, schedule.point, schedule.jump)
        self.happened: Counter[str] = Counter()
        self.deviations: list[Deviation] = []
        self.alerts = self.repeats = self.looks = 0
        self._errands: list[tuple[float, Errand]] = []
        self._sent = 0
        self._looked = 0.0
        self._patience = HANGS
        self._progress, self._moved_at = (0, 0, 0), time.monotonic()
        self._limit = DONE["embedded" if isinstance(site, Embedded) else "kafka"]
        self._producer = KafkaProducer(
            bootstrap_servers=self.settings.brokers,
            acks="all",
            enable_idempotence=site.copies > 1 or not isinstance(site, Embedded),
            max_in_flight_requests_per_connection=1,
        )

    def _log(self, seed: int) -> list[tuple[bytes | None, bytes | None]]:
        """A log with repeats, dead letters and a wrong clock in it, its ticks, and poison if asked for."""
        lines, _, _ = log_lines(salt=seed * 31 + 1)
        good = self.chance.randrange(60, len(lines) - 60)
        # One clock is wrong by most of a year: nothing may come of it but a search on another day.
        wrong = lines[good].replace(b'"event_time":"2021-0', b'"event_time":"2021-1', 1)
        lines.insert(good, wrong.replace(b'"event_id":"', b'"event_id":"wrong-clock-', 1))
        file = self.live.folder / "events.jsonl"
        file.write_bytes(b"\n".join(lines) + b"\n")
        found: list[tuple[bytes | None, bytes | None]] = [
            (one.key, one.value) for one in outgoing([file], Ticker(sources=survey([file]).sources))
        ]
        for one in POISON if self.schedule.poison else ():
            found.insert(self.chance.randrange(len(found)), one)
        return found

    def through(self) -> None:
        """Send the log while the schedule runs its course, and compare."""
        self._send_until(BEFORE)
        for _ in range(3):
            self.crew.start()
        if not self._until(self._something_committed, FIRST_WORK):
            self._deviate("unfinished", f"no work within {FIRST_WORK:g} s")
            return
        self._disturb()
        if not self._finish():
            self._deviate("unfinished", f"not all committed within {self._limit:g} s")
        self.crew.stop(within=25)
        told, holdings = committed(self.settings), read_all(self.settings)
        self.deviations += ahead(told, holdings)
        verdict = Verdict(
            self.settings, configuration(self.live.config), self._values(), holdings, bool(self.schedule.jump)
        )
        verdict.reach()
        self.deviations += verdict.deviations
        self.deviations += [Deviation("end of a worker", text) for text in self.crew.unexpected]
        self.alerts, self.repeats = verdict.alerts, verdict.repeats
        self._see_what_happened(verdict)

    def close(self) -> None:
        """Leave nothing behind."""
        self.crew.kill()
        self._producer.close(timeout=5)
        if not isinstance(self.site, Embedded):
            admin = KafkaAdminClient(bootstrap_servers=self.settings.brokers)
            admin.delete_topics([kafka_name(self.settings, topic.name) for topic in TOPICS])
            admin.close()

    def _disturb(self) -> None:
        """The schedule, while most of the log is sent."""
        began = time.monotonic()
        actions = list(self.schedule.actions)
        while (
            actions
            or self._errands
            or self.crew.asleep
            or not self.site.well()
            or self._sent < self._upto(1 - HELD)
        ):
            elapsed = time.monotonic() - began
            if elapsed > DISTURBED:
                self._deviate("unfinished", f"the schedule is not done within {DISTURBED:g} s")
                break
            self._send_until(min(1 - HELD, BEFORE + (1 - HELD - BEFORE) * elapsed / SENDING))
            while actions and actions[0][0] <= elapsed:
                fault = actions.pop(0)[1]
                if fault.startswith(("broker", "leader")):
                    state = kafka_name(self.settings, "state.watch")
                    self._errands.append((0.0, self.site.harm(fault, state, self.chance)))
                else:
                    self._errands.append((0.0, self.crew.act(fault, self.chance)))
            self._turn()

    def _finish(self) -> bool:
        """Send the rest, bit by bit as long as the fault point was not reached; whether all was done."""
        deadline = time.monotonic() + REACHED
        drip = 0.0
        while self.crew.waiting_for_point and time.monotonic() < deadline:
            if time.monotonic() >= drip and self._sent < len(self.messages):
                self._send_until((self._sent + 1) / len(self.messages))
                if self.schedule.point == "while-loading:1" and len(self.crew.workers) < 4:
                    self.crew.start()
                drip = time.monotonic() + 0.3
            self._turn()
        self._send_until(1.0)
        self._producer.flush()
        if self.schedule.jump:
            # Who sends ticks is never done. The embedded broker keeps a leader that has left if all leave at
            # once, and whoever joins then waits for it for ever.
            self.crew.stop(within=25, apart=2 * SESSION if isinstance(self.site, Embedded) else 0.0)
            self.crew.environment["PROBEWATCH_TICKS"] = "off"
            self.crew.start()
        return self._until(self._all_committed, self._limit)

    def _turn(self) -> None:
        """Run errands that are due, look after the workers, and at what is committed."""
        for due, errand in [one for one in self._errands if one[0] <= time.monotonic()]:
            self._errands.remove((due, errand))
            if (pause := next(errand, None)) is not None:
                self._errands.append((time.monotonic() + pause, errand))
        self.crew.look_after()
        if time.monotonic() - self._looked > LOOK_EVERY and self.site.well():
            self._looked = time.monotonic()
            self._look()
            self._free_the_group()
        time.sleep(0.05)

    def _free_the_group(self) -> None:
        """The embedded broker may let a group hang for ever when a member dies while it is joining."""
        if time.monotonic() - self._moved_at > self._patience and isinstance(self.site, Embedded):
            self.crew.begin_again()
            self._patience *= 2
            self._moved_at = time.monotonic()

    def _look(self) -> bool:
        """Whether all is committed; and no offset may ever be beyond what the state has absorbed."""
        try:
            told, holdings = committed(self.settings), read_all(self.settings)
        except KafkaError:
            return False  # no coordinator, or no leader, for a moment
        self.looks += 1
        self.deviations += ahead(told, holdings)
        progress = (sum(told.values()), self.crew.opened, self._sent)
        if progress != self._progress:
            self._patience = HANGS
            self._progress, self._moved_at = progress, time.monotonic()
        return all_committed(told, holdings)

    def _something_committed(self) -> bool:
        try:
            return any(committed(self.settings).values())
        except KafkaError:
            return False

    def _all_committed(self) -> bool:
        return self.site.well() and self._look()

    def _until(self, what: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._turn()
            if what():
                return True
            time.sleep(0.4)
        return False

    def _upto(self, share: float) -> int:
        return min(len(self.messages), round(len(self.messages) * share))

    def _send_until(self, share: float) -> None:
        topic = kafka_name(self.settings, "searches.raw")
        for key, value in self.messages[self._sent : self._upto(share)]:
            partition = partition_of(key, self.settings.partitions) if key is not None else 0
            self._producer.send(topic, key=key, value=value, partition=partition)
        self._sent = max(self._sent, self._upto(share))

    def _values(self) -> list[bytes]:
        return [value or b"" for _, value in self.messages]

    def _see_what_happened(self, verdict: Verdict) -> None:
        self.happened.update(self.crew.happened)
        self.happened.update(self.site.happened)
        if self.schedule.poison:
            refused = verdict.refused_values()
            self.happened["poison"] = sum(
                refused[value or b""] > 0 for _, value in POISON if (value or b"") in refused
            )
            if missing := [value for _, value in POISON if not refused[value or b""]]:
                self._deviate("dead letter lost", f"poison without a dead letter: {missing[0]!r:.100}")
        if self.schedule.jump:
            self.happened["clock"] = _ticks_off(verdict)

    def _deviate(self, kind: str, text: str) -> None:
        self.deviations.append(Deviation(kind, text))


def _ticks_off(verdict: Verdict) -> int:
    """Ticks of workers whose clock was wrong by more than half a minute."""
    now, found = datetime.now(UTC), 0
    for records in verdict.holdings["searches.raw"].values():
        for one in records:
            try:
                tick = msgspec.json.decode(one.value or b"", type=Tick)
            except msgspec.MsgspecError:
                continue
            off = abs((tick.tick - now).total_seconds())
            found += tick.source_id is None and off > 180
    return found


def configuration(folder: Path) -> Configuration:
    """What the workers read."""
    return load(folder, SHIPPED, settings_types())
