"""`new-detector` in a copy of the checkout: what it writes works at once, and nothing is written in vain."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from analysis.scaffold import NameRefused, check_name, new_detector, with_stanza
from streams.demo.worker import ROOT

#: A usual one, a short one and the longest.
NAMES = ("late_lookups", "x9q", "searches_of_the_evening_without_any_case")


def left_out(folder: str, names: list[str]) -> set[str]:
    """What lies about in a checkout and is no part of it."""
    left = {name for name in names if name[0] == "." or name in ("__pycache__", "build")}
    return left | {"data", "out"} if Path(folder) == ROOT else left


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout") / "copy"
    shutil.copytree(ROOT, folder, ignore=left_out)
    return folder


def python(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=checkout,
        env={**environment, "COLUMNS": "200", "PYTHONPATH": str(checkout), "LAW_EXAMPLES": "3"},
        capture_output=True,
        text=True,
    )


def test_new_detectors_pass_all_tests_that_bear_their_names(checkout: Path) -> None:
    config = checkout / "config/detectors.yaml"
    for name in NAMES:
        before = config.read_text()
        made = python(checkout, "streams", "new-detector", name)
        assert made.returncode == 0, made.stderr
        assert f'make test ARGS="-k {name}"' in made.stderr
        after = config.read_text()
        assert after.startswith(before.rstrip("\n")), "what stood there stands there, comments and all"
        assert yaml.safe_load(after)["detectors"].pop(name) == {"function": name, "enabled": False}
        assert f"## {name}\n" in (checkout / "docs/detectors.md").read_text()
        for tool in (("ruff", "check"), ("ruff", "format", "--check")):
            checked = python(checkout, *tool, f"models/detectors/{name}.py")
            assert checked.returncode == 0, checked.stdout
    wanted = " or ".join((*NAMES, "every_detector_has_its_cases", "generated_parts"))
    run = python(checkout, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", wanted, "tests")
    assert run.returncode == 0, run.stdout[-3000:]
    # Of each its three cases and the trap of one, ten laws, its calibration, its ranges and its docs; then
    # that every detector has cases and the docs are those of the code.
    assert re.search(rf"^{17 * len(NAMES) + 2} passed", run.stdout, re.MULTILINE), run.stdout[-300:]
    again = python(checkout, "streams", "new-detector", NAMES[0])
    assert (again.returncode, "take another name" in again.stderr) == (1, True)


def test_what_it_wrote_is_undone_as_it_says(checkout: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(checkout, copy)
    git = ("git", "-C", str(copy), "-c", "user.name=ana", "-c", "user.email=ana@localhost")
    for words in (("init", "-q"), ("add", "-f", "."), ("commit", "-q", "-m", "before")):
        subprocess.run([*git, *words], check=True)
    made = python(copy, "streams", "new-detector", "taken_back")
    undo = made.stderr.splitlines()[-1].removeprefix("To undo: ")
    subprocess.run(["sh", "-euc", undo], cwd=copy, check=True)
    left = subprocess.run([*git, "status", "--short"], capture_output=True, text=True, check=True)
    assert [line for line in left.stdout.splitlines() if "__pycache__" not in line] == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Night-Searches", "night_searches would do"),
        ("NightSearches", "night_searches would do"),
        ("2fast", "fast would do"),
        ("class", "no word of Python's"),
        ("../escape", "escape would do"),
        ("x" * 41, "at most 40"),
        ("risk", "models/detectors/risk.py is there already"),
        ("base", "models/detectors/base.py is there already"),
        ("unit_volume", "a stanza unit_volume already, of the function high_count"),
    ],
)
def test_a_bad_or_taken_name_is_refused_with_a_cure(name: str, said: str) -> None:
    with pytest.raises(NameRefused) as refused:
        check_name(name, ROOT)
    assert said in str(refused.value)


def test_what_fails_midway_leaves_nothing_behind(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    for folder in ("models/detectors", "tests/cases"):
        (tmp_path / folder).mkdir(parents=True)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(RuntimeError, match="full"), new_detector("other", tmp_path) as files:
        assert all(file.exists() for file in files)
        raise RuntimeError("the disk is full")
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_stanza_goes_behind_the_last_and_before_what_follows() -> None:
    text = "detectors:\n    a: {function: a}  # first\n\n# not of a\nbudget:\n  alerts_a_day: 1\n"
    found = with_stanza(text, "\n  # new\n  b:\n    function: b\n", "b")
    assert found == (
        "detectors:\n    a: {function: a}  # first\n\n    # new\n    b:\n      function: b\n\n"
        "# not of a\nbudget:\n  alerts_a_day: 1\n"
    )
    with pytest.raises(NameRefused, match="no list of stanzas"):
        with_stanza("detectors: {a: {function: a}}\n", "\n  b:\n    function: b\n", "b")
