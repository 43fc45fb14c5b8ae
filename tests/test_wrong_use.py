"""Commands used wrongly, and disks that are full: a sentence for a person, and the right exit code."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.text import Text

from streams.__main__ import app
from tests.live import command, log_lines

LINES = log_lines()[0]

WRONG = [
    ("no-such-command",),
    ("replay",),
    ("replay", "--input", "/nowhere/events.jsonl", "--out", "x"),
    ("replay", "--input", "{events}", "--out", "{events}"),
    ("replay", "--input", "{events}", "--out", "{folder}/live/detectors.yaml"),
    ("replay", "--input", "{events}", "--out", "{folder}/nowhere/alerts.jsonl"),
    ("backtest", "--input", "{alerts}", "--out", "{folder}/live"),
    (
        "tune",
        "--stanza",
        "requester_volume",
        "--budget",
        "1",
        "--input",
        "{report}",
        "--labels",
        "{report}",
        "--out",
        "{folder}/live",
    ),
    ("evaluate", "--alerts", "{alerts}", "--labels", "{events}", "--decisions", "{alerts}"),
    ("feedback", "--alerts", "{alerts}", "--decisions", "{events}", "--out", "{folder}/patch.yaml"),
    (
        "feedback",
        "--alerts",
        "{alerts}",
        "--decisions",
        "{events}",
        "--input",
        "{events}",
        "--out",
        "{folder}/live/detectors.yaml",
    ),
    ("produce", "/nowhere/events.jsonl"),
    ("produce", "{events}", "--rate", "1", "--speed", "1"),
    ("import", "{events}", "--adapter", "no-such", "--out", "{folder}/x"),
    ("import", "{events}", "--adapter", "jsonl", "--out", "{events}"),
    ("simulate", "--scale", "huge", "--out", "{folder}/s"),
    ("demo", "--seconds", "1"),
    ("worker", "--web-port", "many"),
    ("topics", "--create", "--check"),
    ("config", "check", "a", "--config", "b"),
    ("backtest", "--input", "{events}", "--topic", "searches.raw"),
    ("backtest", "--input", "{events}", "--from", "2024-01-01"),
    ("tune", "--stanza", "requester_volume", "--budget", "1", "--input", "{events}"),
    ("state", "watch"),
    ("state", "--partitions", "4"),
    ("console", "--port", "many"),
    ("console", "account", "add", "administrator-1"),
]


@pytest.fixture(scope="module")
def wrong(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[tuple[str, ...], subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("wrong")
    events = folder / "events.jsonl"
    events.write_bytes(LINES[0] + b"\n")
    (folder / "live").mkdir()
    kept = [folder / "live" / name for name in ("detectors.yaml", "alerts.jsonl", "report.html")]
    for one in kept:
        one.write_bytes(events.read_bytes())
    places = {"events": str(events), "folder": str(folder), "alerts": str(kept[1]), "report": str(kept[2])}

    def run(words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return command(*(word.format(**places) for word in words))

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(WRONG, pool.map(run, WRONG), strict=True))
    # Whatever is typed, nothing that was there is lost.
    assert {one.read_bytes() for one in (events, *kept)} == {LINES[0] + b"\n"}
    return found


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_use_is_code_2_and_a_sentence(
    wrong: dict[tuple[str, ...], subprocess.CompletedProcess[str]], words: tuple[str, ...]
) -> None:
    done = wrong[words]
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().split()) >= 4


def test_a_folder_that_a_worker_cannot_make_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = tmp_path / "file" / "data"
    done = command("worker", "--web-port", "0", environment={"PROBEWATCH_DATA_DIR": str(folder)}, seconds=30)
    assert done.returncode == 1, (done.stdout, done.stderr)
    (line,) = (done.stdout + done.stderr).splitlines()
    assert str(folder) in line and "PROBEWATCH_DATA_DIR" in line


def test_what_somebody_typed_is_no_colour() -> None:
    address = "kafka://[fe80::1]:9"
    done = command("topics", environment={"PROBEWATCH_BROKER": address})
    assert done.returncode == 1 and "[fe80::1]:9" in done.stderr, done.stderr
    done = command("topics", environment={"PROBEWATCH_BROKER": "[/red]"})
    assert done.returncode == 1 and "'[/red]' is not HOST:PORT" in done.stderr, done.stderr


def test_certificate_files_that_are_not_there_are_named() -> None:
    done = command("topics", environment={"PROBEWATCH_SSL_CAFILE": "/nowhere/ca.pem"})
    assert done.returncode == 1 and "PROBEWATCH_SSL_CAFILE=/nowhere/ca.pem" in done.stderr, done.stderr


def helps(group: Any) -> Iterator[str]:
    """All words of help of all commands below a group."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        one = group.get_command(context, name)
        yield from (found for each in (one, *one.params) if (found := getattr(each, "help", None)))
        if hasattr(one, "list_commands"):
            yield from helps(one)


def test_no_default_in_a_help_is_taken_for_a_colour() -> None:
    said = list(helps(typer.main.get_command(app)))
    assert len(said) > 100
    assert [one for one in said if Text.from_markup(one).plain != one.replace("\\[", "[")] == []


# --- a full disk ---


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A device of our own that is always full: a program may replace it, but not the system's."""
    place = tmp_path / "full"
    try:
        os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 7))
        place.write_bytes(b"")
    except OSError:
        pytest.skip("making a device needs rights that we have not")
    return place


def one_clear_line(done: subprocess.CompletedProcess[str], place: Path) -> None:
    assert done.returncode == 1, (done.stdout, done.stderr)
    said = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(said) == 1, done.stderr
    assert "No space left on device" in said[0] and str(place) in said[0]
    assert stat.S_ISCHR(place.stat().st_mode), "the device was replaced by a file"


def test_replay_onto_a_full_disk_is_one_clear_line(tmp_path: Path, full: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(LINES[:60]) + b"\n")
    one_clear_line(command("replay", "--input", events, "--out", full), full)


def test_replay_tells_of_every_line_that_it_did_not_count(tmp_path: Path) -> None:
    early, late, out = tmp_path / "early.jsonl", tmp_path / "late.jsonl", tmp_path / "alerts"
    line = (
        b'{"event_id":"%s-%d","event_time":"2023-01-%02dT10:00:00Z","source_id":"%s","requester_id":"r",'
        b'"agency_id":"a","unit_id":"u","tool":"t","gallery":"g","purpose":"p","image_source":"cctv"}\n'
    )
    early.write_bytes(b"".join(line % (b"A", day, day, b"A") for day in range(1, 29)) + b"\n{}\n")
    late.write_bytes(b"".join(line % (b"B", day, day, b"B") for day in range(1, 4)))
    done = command("replay", "--input", early, "--input", late, "--out", out, "--json")
    said = " ".join(done.stderr.split())
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["accepted"], told["late"], told["after_close"], told["refused"]) == (31, 0, 3, 1)
    assert "3 of the accepted came after their agency's day had closed" in said
    assert len((tmp_path / "alerts.late").read_bytes().splitlines()) == 3
    assert "may come too late to be counted. Use --sort" in said
    assert f"The first that was refused: {early}, line 30: the required field event_id is missing" in said
    told = json.loads(
        command("replay", "--input", early, "--input", late, "--sort", "--out", out, "--json").stdout
    )
    assert told["after_close"] == 0
    done = command("backtest", "--input", early, "--input", late, "--out", tmp_path / "test", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["after_close"] == 3
    assert "3 searches came too late to be counted" in " ".join(done.stderr.split())


def test_import_onto_a_full_disk_is_one_clear_line(tmp_path: Path, full: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(LINES[0] + b"\n")
    one_clear_line(command("import", events, "--adapter", "jsonl", "--out", full), full)


@pytest.mark.parametrize("what", ["replay", "import"])
def test_a_disk_that_fills_up_is_one_clear_line_and_leaves_no_half_file(tmp_path: Path, what: str) -> None:
    events, out = tmp_path / "events.jsonl", tmp_path / "out.jsonl"
    good = [line for line in LINES if b'"event_time":"2021' in line and len(line) < 1000]
    events.write_bytes(b"\n".join(good) + b"\n")
    words: dict[str, tuple[str | Path, ...]] = {
        "replay": ("replay", "--input", events, "--out", out, "--all"),
        "import": ("import", events, "--adapter", "jsonl", "--out", out),
    }

    def at_most_4_kb() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = command(*words[what], before=at_most_4_kb)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert (
        str(out) in " ".join(line for line in done.stderr.splitlines()) or "too large" in done.stderr.lower()
    )
    assert not out.exists() or out.stat().st_size == 0, "half a file looks like a whole one"
