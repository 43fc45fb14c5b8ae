"""Farrington Flexible (Noufaily et al. 2013) of the R package surveillance, run beside us if it is there."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from bench.baselines.base import Baseline, Floats, Ints, Scores, Skipped, one_day

SCRIPT = Path(__file__).with_suffix(".R")
#: Exit code of the script when the package is not there.
NO_PACKAGE = 3


class Farrington(Baseline):
    """A quasi-Poisson regression on the same season of the year before, with weights for past outbreaks.

    It is made for a few series; with thousands it would take hours.
    """

    name = "Farrington Flexible"

    def scores(self, cases: Ints, searches: Ints, weekday: Ints, expected: Floats) -> Scores:
        """-ln of the package's p-value; days that it cannot judge have 0. Raises Skipped without R or the
        package, RuntimeError when the script fails."""
        program = shutil.which("Rscript")
        if program is None:
            raise Skipped("Rscript is not installed (Debian: apt-get install r-cran-surveillance)")
        with tempfile.TemporaryDirectory(prefix="probewatch-farrington-") as folder:
            given, found = Path(folder) / "counts.csv", Path(folder) / "p.csv"
            np.savetxt(given, cases.T, fmt="%d", delimiter=",")
            done = subprocess.run(
                [program, "--vanilla", str(SCRIPT), str(given), str(found)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == NO_PACKAGE:
                raise Skipped("the R package surveillance is not installed (Debian: r-cran-surveillance)")
            if done.returncode != 0:
                raise RuntimeError(f"{SCRIPT.name} failed: {done.stderr.strip()[-800:]}")
            p = np.genfromtxt(found, delimiter=",", ndmin=2).T
        return Scores(-np.log(np.clip(np.where(np.isnan(p), 1.0, p), 1e-300, 1.0)), one_day())
