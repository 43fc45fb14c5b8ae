"""Changes of models reach the ledger from the analysts' registry: each once, in order, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from analysis.registry.changes import Change
from analysis.registry.registry import Registry
from console.access import accounts
from console.intake.registry import Following, NotTheRegistry, take_folder, take_registry
from console.storage import ledger
from console.storage.engine import Store
from models.ledger import verify
from streams.__main__ import app
from streams.serving import REGISTRY
from tests.console.alerts import AT

MODEL, OTHER = "a" * 64, "b" * 64


def registry(folder: Path) -> Registry:
    """Two candidates, one of which is in shadow."""
    made = Registry(folder)
    for digest in (MODEL, OTHER):
        made.change("analyst-1", Change(action="trained", stanza="trained_profile", model=digest))
    made.change(
        "analyst-2", Change(action="shadowed", stanza="trained_profile", model=OTHER, since=1.0, reason="try")
    )
    return made


def told(store: Store) -> list[tuple[object, object, object]]:
    with store.reading() as session:
        assert not verify([*ledger.export(session)]).faults
        return [
            (one.body["action"], one.body["model"], one.body["by"])
            for one in ledger.entries(session)
            if one.kind == "model" and isinstance(one.body, dict)
        ]


WHOLE = [("trained", MODEL, "analyst-1"), ("trained", OTHER, "analyst-1"), ("shadowed", OTHER, "analyst-2")]


def test_each_change_comes_once_and_a_line_that_is_being_written_waits(either: Store, tmp_path: Path) -> None:
    registry(tmp_path)
    raw = (tmp_path / REGISTRY).read_bytes()
    for end, new in ((0, 0), (len(raw) - 1, 2), (len(raw) - 1, 0), (len(raw), 1), (len(raw), 0)):
        with either.writing() as session:
            assert take_registry(session, raw[:end], AT) == new
    assert told(either) == WHOLE


@pytest.mark.parametrize("spoiled", ["cut", "exchanged", "changed"])
def test_a_registry_that_does_not_go_on_from_what_the_ledger_has_is_refused(
    store: Store, tmp_path: Path, spoiled: str
) -> None:
    registry(tmp_path)
    assert take_folder(store, tmp_path, AT) == 3
    file = tmp_path / REGISTRY
    lines = file.read_bytes().splitlines(keepends=True)
    if spoiled == "cut":
        file.write_bytes(b"".join(lines[:-1]))
    elif spoiled == "changed":
        file.write_bytes(b"".join(lines).replace(b"analyst-2", b"analyst-3"))
    else:
        file.unlink()
        registry(tmp_path)  # the same changes, at another time
    with pytest.raises(NotTheRegistry):
        take_folder(store, tmp_path, AT)
    assert told(store) == WHOLE


def test_the_console_follows_the_folder(store: Store, tmp_path: Path) -> None:
    following = Following(store, tmp_path, lambda: AT)
    following.look()
    assert told(store) == []
    made = registry(tmp_path)
    following.look()
    made.change("analyst-1", Change(action="retired", stanza="trained_profile", model=OTHER, since=2.0))
    following.look()
    following.look()
    assert told(store) == [*WHOLE, ("retired", OTHER, "analyst-1")]


def test_who_promotes_must_have_an_account_that_may(store: Store, tmp_path: Path) -> None:
    registry(tmp_path)
    url = str(store.engine.url)
    with store.writing() as session:
        for name, role in (("analyst-1", "analyst"), ("viewer-1", "viewer"), ("analyst-9", "analyst")):
            row = accounts.add(session, name=name, roles=[role], actor="test", now=AT)
        accounts.disable(session, row, "test", AT)

    def retire(name: str) -> Result:
        words = ["models", "retire", OTHER, "--as", name, "--models", str(tmp_path), "--console", url]
        return CliRunner().invoke(app, words)

    before = (tmp_path / REGISTRY).read_bytes()
    for name, said in (
        ("nobody-1", "no account nobody-1 that is in use"),
        ("analyst-9", "no account analyst-9 that is in use"),
        ("viewer-1", "the roles of viewer-1 do not allow"),
    ):
        done = retire(name)
        assert done.exit_code == 1 and said in done.stderr
    assert (tmp_path / REGISTRY).read_bytes() == before and told(store) == []
    done = retire("analyst-1")
    assert done.exit_code == 0, done.stderr
    assert told(store) == [*WHOLE, ("retired", OTHER, "analyst-1")]
