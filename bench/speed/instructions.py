"""Machine instructions of one more search, and of one more day of an agency: the same on any busy machine.

Both stages run in a process of their own under callgrind (Debian's `valgrind`), which counts and takes some
fifty times as long. Three logs that differ in one thing each give a straight line: what the program itself
takes to start falls out. Time is not measured, so it may be run beside anything else.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from typing import Annotated

import typer

from bench.figures import Figure, Report
from bench.national import National
from streams.demo.worker import ROOT
from streams.exits import Stop

#: People of the one agency.
STAFF = 100


def bench(
    searches: Annotated[int, typer.Option(min=100, help="Searches of the smallest log.")] = 1_500,
    days: Annotated[int, typer.Option(min=2, help="Days of the shorter log.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the made-up searches.")] = 0,
) -> Report:
    """Instructions for one more search, and for one more day of an agency, all default detectors."""
    few, more, longer = (
        count(National(number, 1, STAFF, length, seed, spread=0.0))
        for number, length in ((searches, days), (2 * searches, days), (searches, 2 * days))
    )
    figures = [
        Figure("a_search", "one more search", [(more - few) / searches / 1e3], "thousand instructions"),
        Figure("an_agency_day", "one more agency-day", [(longer - few) / days / 1e6], "million instructions"),
    ]
    facts = {"searches": searches, "days": days, "instructions": [few, more, longer]}
    return Report("instructions", figures, facts=facts)


def count(log: National) -> int:
    """Instructions of a whole process that judges a log. Raises Stop when valgrind is not there or fails."""
    if shutil.which("valgrind") is None:
        raise Stop("valgrind is not installed; on Debian and Ubuntu: apt-get install valgrind")
    given = json.dumps({**asdict(log), "first": log.first.isoformat()})
    with tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder:
        process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p", sys.executable, "-m",
             "bench.in_process", given],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        said, told = process.communicate()
    # The child that made the log has counted its own.
    found = re.search(rf"^=={process.pid}== Collected : (\d+)", told, re.MULTILINE)
    if process.returncode != 0 or found is None or json.loads(said)["accepted"] != log.searches:
        raise Stop(f"callgrind failed: {told.strip()[-1500:]}")
    return int(found[1])
