"""What processes cost, read from /proc without asking them: CPU seconds and resident memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024 * 1024


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its ended children, seconds; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def family_cpu_seconds(pid: int) -> float:
    """The same of a process and all that descend from it."""
    return sum(map(cpu_seconds, family(pid)))


def family_peak_resident(pid: int) -> int:
    """The most resident memory there has been of a process, and of all that descend from it, bytes.

    Pages that they share count for each, so the truth is not more.
    """
    return sum(map(peak_resident, family(pid)))


def resident(pid: int) -> int:
    """Resident memory now, bytes; 0 when the process is gone."""
    return _status(pid, "VmRSS")


def peak_resident(pid: int) -> int:
    """The most resident memory there has been, bytes; 0 when the process is gone."""
    return _status(pid, "VmHWM")


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def _status(pid: int, name: str) -> int:
    try:
        rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(row.split()[1]) * 1024 for row in rows if row.startswith(f"{name}:"))


class Others:
    """How many cores programs other than this one and its children keep busy while the block runs.

    The broker and the workers are children, and count once they have ended."""

    def __enter__(self) -> Self:
        self.cores = 0.0
        self._before = self._used()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        at, busy, own = (now - then for now, then in zip(self._used(), self._before, strict=True))
        self.cores = max(0.0, busy - own) / at if at else 0.0

    @staticmethod
    def _used() -> tuple[float, float, float]:
        user, nice, system, _, _, *interrupts = map(
            int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
        )
        busy = (user + nice + system + sum(interrupts)) / _TICKS
        return time.monotonic(), busy, sum(os.times()[:4])


class PeakOf:
    """The most resident memory of a process and its children together while the block runs.

    Looked at ten times a second. Pages that two of them share count twice, so the truth is not more.
    """

    EVERY = 0.1

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self.processes = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self.EVERY):
            pids = family(self._pid)
            self.bytes = max(self.bytes, _sum(pids))
            self.processes = max(self.processes, len(pids))


def _sum(pids: Iterable[int]) -> int:
    return sum(map(resident, pids))
