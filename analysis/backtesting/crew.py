"""Parts in processes, some at a time, and how far they are."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

from streams import collector
from streams.child_host import HostDied
from streams.children import die_with_parent
from streams.exits import Stop

#: Seconds between two looks at how far the parts are.
LOOK = 0.2

#: Is told how many lines of a part have been read.
Told = Callable[[int], None]
#: Judges a part.
Work = Callable[[int, Told], None]


def run(parts: Sequence[int], work: Work, jobs: int) -> Iterator[dict[int, int]]:
    """Let `work` be done for each part, `jobs` of them at a time; yields how many lines have been read of
    each. Where there is one job, or no fork, all is done in this process.

    Raises:
        Stop: a part could not be judged; the text says why.
    """
    if jobs < 2 or sys.platform != "linux":
        yield from _here(parts, work)
        return
    context = get_context("fork")
    read = context.RawArray("q", max(parts, default=0) + 1)
    waiting, busy = list(parts), dict[Connection, ForkProcess]()
    promise = die_with_parent(signal.SIGKILL)
    try:
        while waiting or busy:
            while waiting and len(busy) < jobs:
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_live, args=(waiting.pop(0), work, read, theirs, promise))
                process.start()
                theirs.close()
                busy[ours] = process
            for end in wait(list(busy), LOOK):
                assert isinstance(end, Connection)
                _finish(busy.pop(end), end)
            yield dict(enumerate(read))
    finally:
        for process in busy.values():
            process.kill()
            process.join()


def _here(parts: Sequence[int], work: Work) -> Iterator[dict[int, int]]:
    read: dict[int, int] = {}
    for part in parts:
        work(part, lambda lines, part=part: read.__setitem__(part, lines))  # type: ignore[misc]
        yield dict(read)


def _finish(process: ForkProcess, end: Connection) -> None:
    """Hear what a process has to say, which is nothing when all went well."""
    try:
        why: Exception | str = end.recv()
    except EOFError:
        process.join()
        if process.exitcode:
            killed = "it was killed; is there too little memory? A smaller --jobs needs less"
            raise Stop(f"a process of the back-test ended: {killed}") from None
        return
    process.join()
    raise why if isinstance(why, Exception) else RuntimeError(why)


def _live(part: int, work: Work, read: Any, end: Connection, promise: Callable[[], None] | None) -> None:
    """The life of a process."""
    # Ctrl-C is for the one who started us, who ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if promise is not None:
        promise()
    collector.calm()
    try:
        work(part, lambda lines: read.__setitem__(part, lines))
    except HostDied as error:
        end.send(Stop(str(error)))
    except OSError as error:
        end.send(Stop(f"cannot write {error.filename or 'the folder of work'}: {error.strerror or error}"))
    except Stop as stop:
        end.send(stop)
    except Exception:
        end.send(traceback.format_exc())
