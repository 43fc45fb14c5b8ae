"""The analysts' shell: back-tests, feedback from dispositions, tuning, training.

From Python, and in a notebook, one line gives pandas frames:

    result = analysis.backtest("config", ["events.jsonl"])
    result.alerts, result.weekly
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.backtesting.frames import Frames

__all__ = ["backtest"]


def backtest(
    config: str | Path,
    inputs: str | Path | Sequence[str | Path],
    against: str | Path | None = None,
    *,
    jobs: int | None = None,
) -> Frames:
    """Back-test one configuration, or compare it with the one it is held `against`.

    `inputs` are files of events: JSON lines, CSV or Parquet. `jobs` is the number of processes; as many
    as there are processors by default.

    Raises:
        Stop: a file or a folder cannot be used; the text names it and says what to do.
    """
    from analysis.backtesting.frames import backtest_frames

    files = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    other = None if against is None else Path(against)
    return backtest_frames(Path(config), [Path(one) for one in files], other, jobs=jobs)
