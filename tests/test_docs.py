"""The documentation names only what exists, and its tables are what the code says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer
from prometheus_client import generate_latest
from typer.testing import CliRunner

from console.settings import CONSOLE_PREFIX, ConsoleSettings
from models.alert import Alert
from models.detectors import discover
from models.search import Refusal, Search
from streams.__main__ import app
from streams.adapters import adapters
from streams.counting import exposition
from streams.documentation import BLOCKS, UnknownBlock, events, filled, outdated
from streams.documentation.tables import attribute_docs, table
from streams.metrics import COMMANDS as OF_COMMANDS
from streams.metrics import OVERSIGHT
from streams.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
)
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
#: A path in the repository begins with one of these; NAME stands for any name.
FOLDERS = tuple(f"{folder.name}/" for folder in ROOT.iterdir() if folder.is_dir())
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
everywhere = pytest.mark.parametrize("page", PAGES, ids=IDS)


def code(text: str) -> Iterator[str]:
    """What stands between backticks, line by line for fenced blocks, commands that go on joined."""
    fence = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    for block in fence.findall(text):
        yield from re.sub(r"\\\n\s*", "", block).splitlines()
    for span in re.findall(r"`([^`]+)`", fence.sub("", text)):
        yield " ".join(span.split())


def commands() -> dict[str, set[str]]:
    """Every command with its options, groups as `config check`."""
    found: dict[str, set[str]] = {}

    def walk(command: Any, name: str) -> None:
        if not hasattr(command, "commands") or command.invoke_without_command:
            found[name] = {opt for one in command.params for opt in (*one.opts, *one.secondary_opts)}
        if not hasattr(command, "commands"):
            return
        for sub in command.list_commands(None):
            walk(command.get_command(None, sub), f"{name} {sub}".strip())

    walk(typer.main.get_command(app), "")
    return found


COMMANDS = commands()


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_generated_parts_are_as_the_code_is() -> None:
    assert list(outdated(ROOT / "docs")) == [], "run `./probewatch docs`"


def test_every_block_stands_on_some_page() -> None:
    found = {
        name for page in PAGES for name in re.findall(r"<!-- generated (\S+) -->", page.read_text("utf-8"))
    }
    assert found == set(BLOCKS)


def test_check_finds_an_old_page_and_writing_mends_it(tmp_path: Path) -> None:
    page = tmp_path / "events.md"
    fresh = (ROOT / "docs/events.md").read_text("utf-8")
    page.write_text(fresh.replace("| `event_id` | yes", "| `event_id` | no"), "utf-8")
    run = CliRunner().invoke
    assert run(app, ["docs", "--check", "--folder", str(tmp_path)]).exit_code == 1
    assert run(app, ["docs", "--folder", str(tmp_path)]).exit_code == 0
    assert run(app, ["docs", "--check", "--folder", str(tmp_path)]).exit_code == 0
    assert page.read_text("utf-8") == fresh


def test_unknown_block_is_refused_by_name() -> None:
    with pytest.raises(UnknownBlock, match="no block tpoics"):
        filled("<!-- generated tpoics -->\n<!-- end tpoics -->\n")


def test_every_field_and_reason_is_explained() -> None:
    assert attribute_docs(Search).keys() >= set(Search.__struct_fields__)
    assert attribute_docs(Alert).keys() >= set(Alert.__struct_fields__)
    assert set(events.REASONS) == set(get_args(get_type_hints(Refusal)["reason"]))


@pytest.mark.parametrize("function", sorted(discover()))
def test_every_detector_owns_up_to_what_it_cannot_see(function: str) -> None:
    text = inspect.cleandoc(discover()[function].__doc__ or "")
    for part in ("Innocent explanations:", "Blind spots:", "Source:"):
        assert re.search(rf"^{part} \S", text, re.MULTILINE), f"{function} has no {part}"


def test_bars_and_line_breaks_do_not_break_a_table() -> None:
    assert table(("a", "b"), [("x|y", "one\n two")]).splitlines()[2] == "| x\\|y | one two |"


def test_meanings_are_taken_from_the_string_under_a_field() -> None:
    assert attribute_docs(discover()["repeat_subject"].settings_type)["horizon_days"].startswith("Visits")


@everywhere
def test_relative_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(file), f"{target}: there is no such heading"


@everywhere
def test_files_that_are_named_exist(page: Path) -> None:
    for span in code(page.read_text("utf-8")):
        for word in span.split():
            name = word.strip(".,:;()'\"")
            if name.startswith(FOLDERS) and not re.search(r"[A-Z*$<]{2,}|\*", name):
                assert (ROOT / name).exists(), f"{name} is not in the repository"


@everywhere
def test_commands_and_options_that_are_named_exist(page: Path) -> None:
    for span in code(page.read_text("utf-8")):
        for said in re.findall(r"\./probewatch ([^#|;]*)", span):
            words = said.split()
            name = next(
                (
                    known
                    for size in (3, 2, 1)
                    if (known := " ".join(words[:size])) in COMMANDS or known == "--help"
                ),
                None,
            )
            assert name is not None or words[:1] in (["COMMAND"], ["config"], ["bench"]), (
                f"no command {said!r}"
            )
            options = {word.split("=")[0] for word in words if word.startswith("--")} - {"--help"}
            assert options <= COMMANDS.get(name or "", options), f"{said!r}: {options}"
            if "--adapter" in words:
                assert words[words.index("--adapter") + 1] in {*adapters(), "NAME"}


@everywhere
def test_programs_of_the_bench_that_are_named_exist(page: Path) -> None:
    for span in code(page.read_text("utf-8")):
        for module in re.findall(r"python -m (bench\.\w+)", span):
            place = ROOT / module.replace(".", "/")
            assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module


@everywhere
def test_make_targets_that_are_named_exist(page: Path) -> None:
    for span in code(page.read_text("utf-8")):
        for target in re.findall(r"^make ([a-z-]+)", span):
            assert target in TARGETS, f"there is no `make {target}`"


@everywhere
def test_settings_and_series_that_are_named_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    settings = {PREFIX + field.upper() for field in Settings.model_fields}
    settings |= {CONSOLE_PREFIX + field.upper() for field in ConsoleSettings.model_fields}
    for name in re.findall(rf"{PREFIX}[A-Z_]*", text):
        assert name in settings | {PREFIX, CONSOLE_PREFIX}, f"there is no setting {name}"
    pages = exposition()[0] + generate_latest(OVERSIGHT) + generate_latest(OF_COMMANDS)
    known = set(re.findall(r"^# TYPE (\S+)", pages.decode(), re.MULTILINE))
    for name in re.findall(r"`(probewatch_\w+)`", text):
        family = re.sub(r"_(bucket|count|sum)$", "", name)
        assert {name, f"{name}_total", family} & known, f"there is no series {name}"
