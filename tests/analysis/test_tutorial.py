"""Every command of docs/analysts.md, in its order, in a folder of its own: they end as the page says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.__main__ import app
from streams.commands import new_detector
from streams.demo.worker import ROOT
from streams.serving import read_pointer

PAGE = (ROOT / "docs/analysts.md").read_text("utf-8")
ENDS = re.compile(r"\s+# ends with (\d)\b")
#: What the page promises to be said, by how the command begins.
SAID = {
    "./probewatch backtest": "stricter against mine",
    "./probewatch evaluate": "incidents caught",
    "./probewatch feedback": "precision",
    "./probewatch tune": "told as it is",
    "./probewatch train": "candidate",
    "./probewatch models compare": "recall",
    "./probewatch models approve shadow --as ana": "nobody is their own second",
    "./probewatch models check --config": "train anew",
    "./probewatch models check    # ends with 1": "was changed; put back the original",
    "./probewatch models rollback": "nothing serves",
    "./probewatch new-detector": "models/detectors/late_lookups.py",
}


def statements() -> Iterator[str]:
    """The lines of the blocks of commands; a document that is written to a file stands with its command."""
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        yield from re.findall(r"^\S[^\n]*<<'END'\n.*?^END$|^[^\n]+$", block, re.DOTALL | re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run, and what `new-detector` takes for the checkout."""
    for name in ("config", "docs", "models/detectors", "tests/cases"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(new_detector, "ROOT", tmp_path)
    return tmp_path


def test_the_tutorial_runs_as_it_stands(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = dict(SAID)
    for statement in statements():
        ends = ENDS.search(statement)
        wanted = int(ends[1]) if ends else 0
        if not statement.startswith("./probewatch "):
            if export := re.fullmatch(r"export (\w+)=(\S+)", statement):
                monkeypatch.setenv(*export.groups())
            else:
                subprocess.run(["bash", "-euc", statement], cwd=checkout, check=True)
            continue
        done = CliRunner().invoke(app, shlex.split(statement, comments=True)[1:])
        said = done.stdout + done.stderr
        assert done.exit_code == wanted, f"{statement}\n{said}"
        for begin in [one for one in left if statement.startswith(one)]:
            # Every promise is kept by the first command that it may be about.
            assert left.pop(begin) in said, f"{statement}\n{said}"
    assert not left, "commands that the page has no longer"

    compared = json.loads((checkout / "out/compared/backtest.json").read_text())
    assert compared["difference"]["gone"] > compared["difference"]["new"]
    assert (checkout / "out/tuned/tuning.json").exists()
    actions = [
        json.loads(line)["body"]["action"]
        for line in (checkout / "out/models/registry.jsonl").read_text().splitlines()
    ]
    assert actions == ["trained", "shadowed", "asked", "approved", "rolled_back"]
    champions = [one.champion for one in read_pointer(checkout / "out/models")]
    assert champions[-1] is None and any(champions)
    assert (checkout / "tests/cases/late_lookups.yaml").exists()
