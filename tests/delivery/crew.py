"""The workers of one seed: processes that are killed, stopped, put to sleep, and replaced.

They are the program as its users run it, `./probewatch worker`, forked from a process that has
imported everything before: most of a short worker's time would otherwise go into that.
"""

from __future__ import annotations

import ctypes
import importlib
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from streams import faults
from streams.children import PR_SET_PDEATHSIG
from tests.delivery import clock
from tests.delivery.sites import Errand

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.delivery.warm"])
#: Workers at the start, and the most at any time.
WORKERS, MOST = 3, 5
#: How a worker ends by itself when it may no longer write, or the broker does not answer.
GAVE_UP = 70


@dataclass(eq=False)
class Worker:
    """One process. `done` is what was done to it on purpose, `armed` the fault point it was given."""

    process: multiprocessing.process.BaseProcess
    log: Path
    armed: str | None
    done: list[str] = field(default_factory=list)
    asleep_until: float | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.process.pid is not None
        return self.process.pid

    def said(self, words: str) -> bool:
        """Whether its log has these words."""
        return words in self.log.read_text(errors="replace")

    def last_words(self) -> str:
        """Its log's end."""
        return self.log.read_text(errors="replace")[-1500:]


class Crew:
    """Keeps three workers at work. `point` kills the first that reach it; `ends` counts how workers
    ended, `happened` what was seen to happen to them, `unexpected` ends that nothing explains."""

    def __init__(
        self,
        environment: Mapping[str, str],
        folder: Path,
        session: float,
        point: str | None,
        jump: float,
    ) -> None:
        self.environment = dict(environment)
        self.workers: list[Worker] = []
        self.ends: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self.started = 0
        self._folder = folder
        self._session = session
        self._point = point
        self._jump = jump

    def start(self) -> None:
        """One more worker."""
        log = self._folder / f"worker-{self.started}.log"
        log.touch()
        armed = self._point if self.waiting_for_point else None
        environment = self.environment | ({"PROBEWATCH_FAULT": armed} if armed else {})
        process = _FORKS.Process(target=work, args=(environment, str(log), self._jump), daemon=True)
        process.start()
        self.started += 1
        self.workers.append(Worker(process, log, armed))

    @property
    def waiting_for_point(self) -> bool:
        """Whether nobody has reached the fault point yet."""
        return self._point is not None and not self.happened[self._point.partition(":")[0]]

    @property
    def asleep(self) -> bool:
        """Whether anybody is."""
        return any(one.asleep_until is not None for one in self.workers)

    def act(self, fault: str, chance: random.Random) -> Errand:
        """Do this to some worker, or to several, now and in a while."""
        if fault == "storm":
            for _ in range(4):
                self._come_or_go(chance)
                yield chance.uniform(0.2, 0.8)
            self.happened["storm"] += 1
            return
        while True:
            # Who is still starting cannot be stopped in order, and sleeping it would harm nobody.
            if ready := [one for one in self._awake() if one.said("partition open")]:
                try:
                    yield from self._harm(chance.choice(ready), fault, chance)
                    return
                except (ProcessLookupError, FileNotFoundError):
                    pass  # it has just ended by itself: another one
            yield 0.1

    def _harm(self, worker: Worker, fault: str, chance: random.Random) -> Errand:
        if fault == "disk-full":
            yield from self._fill_disk(worker, chance)
        elif fault == "kill-stage":
            self._kill_stages(worker)
        elif fault == "pause":
            self._sleep(worker, fault)
        else:
            self._end(worker, fault)

    def look_after(self) -> None:
        """Wake who has slept long enough, replace who has ended."""
        for worker in list(self.workers):
            if worker.asleep_until is not None and time.monotonic() >= worker.asleep_until:
                worker.asleep_until = None
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGCONT)
                self.happened["pause"] += "pause" in worker.done
            if worker.process.exitcode is not None:
                self.workers.remove(worker)
                self._note(worker, worker.process.exitcode)
                if len(self.workers) < WORKERS:
                    self.start()

    def stop(self, within: float, apart: float = 0.0) -> None:
        """Stop everybody in order, so many seconds apart."""
        for worker in self.workers:
            if "stop" not in worker.done:  # who is told twice ends at once
                with suppress(ProcessLookupError):
                    self._end(worker, "stop")
                time.sleep(apart)
        deadline = time.monotonic() + within
        for worker in self.workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            code = worker.process.exitcode
            if code is None:
                self.unexpected.append(f"a worker does not stop: {worker.last_words()}")
                worker.process.kill()
                worker.process.join()
            else:
                self._note(worker, code)
        self.workers.clear()

    @property
    def opened(self) -> int:
        """How many partitions were opened, by those as well who are gone."""
        logs = (self._folder / f"worker-{number}.log" for number in range(self.started))
        return sum(log.read_text(errors="replace").count("partition open") for log in logs)

    def begin_again(self) -> None:
        """End everybody, and start as many as there should be."""
        for worker in self.workers:
            if worker.process.exitcode is None:
                self.ends["ended: the embedded broker let the group hang"] += 1
        self.kill()
        for _ in range(WORKERS):
            self.start()

    def kill(self) -> None:
        """End what is left, whatever it does."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.join()
        self.workers.clear()

    def _awake(self) -> list[Worker]:
        return [one for one in self.workers if one.asleep_until is None and not one.done]

    def _come_or_go(self, chance: random.Random) -> None:
        awake = self._awake()
        if len(self.workers) < MOST and (len(awake) < 2 or chance.random() < 0.5):
            self.start()
        elif awake:
            with suppress(ProcessLookupError):
                self._end(chance.choice(awake), chance.choice(("kill", "stop")))

    def _end(self, worker: Worker, fault: str) -> None:
        os.kill(worker.pid, signal.SIGKILL if fault == "kill" else signal.SIGTERM)
        worker.done.append(fault)

    def _sleep(self, worker: Worker, fault: str) -> None:
        os.kill(worker.pid, signal.SIGSTOP)
        worker.done.append(fault)
        worker.asleep_until = time.monotonic() + 1.6 * self._session

    def _kill_stages(self, worker: Worker) -> None:
        """Kill the processes in which its stages live, as a system does that is short of memory."""
        children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        worker.done.append("kill-stage")
        self.happened["kill-stage"] += bool(children)

    def _fill_disk(self, worker: Worker, chance: random.Random) -> Errand:
        """None of its files may grow from now on; then it is stopped, or sleeps past its session."""
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        worker.done.append("disk-full")
        yield chance.uniform(0.5, 1.0)
        self._sleep(worker, "sleep") if chance.random() < 0.5 else self._end(worker, "stop")
        self.happened["disk-full"] += 1

    def _note(self, worker: Worker, code: int) -> None:
        """Say how it ended, and whether that is as it should be."""
        how = "unexpected"
        if code == -signal.SIGKILL and "kill" in worker.done:
            how = "killed"
            self.happened["kill"] += 1
        elif code == -signal.SIGKILL and worker.armed:
            how = "killed at its point"
            self.happened[worker.armed.partition(":")[0]] += 1
        elif code == 0 and "stop" in worker.done:
            how = "stopped in order"
            self.happened["stop"] += 1
        elif code == -signal.SIGTERM and not worker.said("worker starting"):
            how = "stopped while it started"
        elif code == GAVE_UP and (worker.said("nothing more is written") or "disk-full" in worker.done):
            how = "gave up: no right to write"
        elif code == GAVE_UP:
            how = f"gave up: {_reason(worker)}"
        else:
            self.unexpected.append(f"a worker ended with {code}: {worker.last_words()}")
        self.ends[how] += 1


def _reason(worker: Worker) -> str:
    """The error that a worker ended with, by its name."""
    for line in reversed(worker.log.read_text(errors="replace").splitlines()):
        if "unexpected error: " in line:
            return line.partition("unexpected error: ")[2].partition("(")[0]
    return "no orderly stop in time" if worker.said("no orderly stop") else "unexplained"


def end_with_parent() -> None:
    """Should whoever started this process be killed, the kernel ends it too (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def work(environment: Mapping[str, str], log: str, jump: float) -> None:
    """What a worker's process does: `./probewatch worker`, its output in the log."""
    end_with_parent()
    # The process that forks workers ends when the test has let go of this end of a pipe, and all others.
    os.closerange(3, 1024)
    sink = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.environ.update(environment)
    importlib.reload(faults)
    if jump:
        clock.install(jump)
    from streams.__main__ import app

    app(["worker", "--web-port", "0"], prog_name="./probewatch")
