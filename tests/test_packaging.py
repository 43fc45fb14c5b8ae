"""The lock, the launcher and the Makefile keep what they promise."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ("requirements.txt", "requirements-dev.txt")


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Give the version and the number of hashes of each package in a lock file."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    found = re.findall(r"^(\S+)==(\S+)((?: +--hash=sha256:[0-9a-f]{64})*)\s*$", text, re.MULTILINE)
    assert len(found) == len([line for line in text.splitlines() if line.strip()]), f"{name}: an odd line"
    return {
        canonicalize_name(package): (version, hashes.count("--hash")) for package, version, hashes in found
    }


def declared(*, dev: bool) -> list[Requirement]:
    texts = PROJECT["dependencies"] + (PROJECT["optional-dependencies"]["dev"] if dev else [])
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_package_by_hash_and_names_no_address(name: str) -> None:
    assert all(hashes for _, hashes in locked(name).values())
    assert "://" not in (ROOT / name).read_text()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_within_the_bounds_of_the_project(name: str) -> None:
    versions = locked(name)
    for requirement in declared(dev=name == "requirements-dev.txt"):
        version, _ = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(Version(version)), f"{name} has {version}: make lock"


def test_what_is_tested_is_what_is_shipped() -> None:
    runtime, dev = (locked(name) for name in LOCKS)
    assert runtime.items() <= dev.items()
    assert "pytest" not in runtime


@pytest.mark.parametrize("folder", ["models", "streams", "analysis", "bench", "tests"])
def test_every_import_is_declared(folder: str) -> None:
    """A package that is there only because another one needs it may be gone after the next `make lock`."""
    allowed = {canonicalize_name(requirement.name) for requirement in declared(dev=folder == "tests")}
    distributions = packages_distributions()
    strays = set()
    for path in sorted((ROOT / folder).rglob("*.py")):
        if path.parent == ROOT / "bench" / "peers":
            continue  # programs for environments of their own, each with its requirements beside it
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names):
                if (ROOT / top).is_dir():
                    continue
                owners = {canonicalize_name(owner) for owner in distributions.get(top, [top])}
                if not owners & allowed:
                    strays.add(f"{path.relative_to(ROOT)}: {top}")
    assert not strays


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the real launcher, whose Python and Makefile only say how they were called."""
    root = tmp_path / "a checkout"
    python = root / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$PWD|$PYTHONPATH|$*"\n')
    python.chmod(0o755)
    shutil.copy(ROOT / "probewatch", root)
    (root / "requirements-dev.txt").write_text("")
    (root / "Makefile").write_text(".venv/.locked: requirements-dev.txt\n\t@echo setting up\n\t@touch $@\n")
    return root


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_launcher_keeps_the_current_folder(checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = run(checkout / "probewatch", "replay", "--input", "two words.jsonl", cwd=elsewhere)
    assert result.stdout == f"{elsewhere}|{checkout}|-m streams replay --input two words.jsonl\n"


def test_the_launcher_works_through_a_link(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "watch").symlink_to("a checkout/probewatch")
    assert run(tmp_path / "watch", "demo", cwd=tmp_path).stdout == f"{tmp_path}|{checkout}|-m streams demo\n"


def test_the_launcher_sets_up_once_and_keeps_that_off_standard_output(checkout: Path) -> None:
    first, second = (run(checkout / "probewatch", "config", cwd=checkout) for _ in range(2))
    assert first.stderr == "setting up\n"
    assert second.stderr == ""
    assert first.stdout == second.stdout


def test_a_python_that_is_too_old_is_named_with_the_cure(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for name in ("Makefile", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    result = run("make", ".venv/.locked", f"PYTHON={old}", cwd=tmp_path)
    assert result.returncode != 0
    assert "needs Python 3.11 or newer" in result.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_version_is_that_of_the_project() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streams", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"probewatch {PROJECT['version']}\n"
