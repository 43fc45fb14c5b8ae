"""An evidence bundle proves itself; whatever is changed in it is named. And the command that says so."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from console.intake.taking import Taken, take, take_alerts
from console.storage import configurations, ledger
from console.storage.engine import Store
from console.work.deciding import decide
from console.work.exporting import export_bundle
from models.bundle import chain_line, verify_bundle
from models.policy import Clause, Pack, Register
from models.reference import Reference
from streams.__main__ import app
from streams.configuration import Configuration
from tests.console.alerts import AT, PLAIN, alert
from tests.console.conftest import NewStore
from tests.console.test_intake import copied, pack

CLAUSE = Clause(
    id="pack.clause", title="A rule", text="No search without a case.", source="Policy 1", url="about:blank",
    valid_from=738000, condition="missing(case_number)", severity="high",
)  # fmt: skip
IN_FORCE = Configuration(
    Reference(policy=Register([Pack(name="pack", title="A policy", jurisdiction="here", clauses=(CLAUSE,))])),
    detectors=(),
    digest=PLAIN.config_digest,
)
ONE = alert(1, clause=CLAUSE.id, severity="high", kind="policy")


def fill(store: Store) -> list[bytes]:
    """A bundle of an alert with decisions, among entries about others."""
    with store.writing() as session:
        configurations.tell(session, IN_FORCE, AT)
        take_alerts(session, [ONE, alert(2, entity="r-2")], AT)
        take(session, [Taken("searches", 0, 0, pack([1, 2, 3], [])[0])], AT)
    for number, (action, actor) in enumerate([("acknowledge", "reviewer-1"), ("comment", "reviewer-2")]):
        with store.writing() as session:
            at = AT + timedelta(minutes=number)
            decide(session, ONE.alert_id, action, actor, at, text="because")  # type: ignore[arg-type]
            decide(session, alert(2).alert_id, "comment", actor, at, text="a secret of another alert")
    with store.writing() as session:
        take_alerts(
            session, [alert(1, clause=CLAUSE.id, severity="high", kind="policy", status="amended")], AT
        )
    with store.writing() as session:
        return list(export_bundle(session, ONE.alert_id, "reviewer-1", AT, CLAUSE))


@pytest.fixture(scope="module")
def bundle(template: Path) -> list[bytes]:
    with copied(template) as store:
        return fill(store)


def test_it_is_whole_and_has_all_that_it_should(bundle: list[bytes]) -> None:
    found = verify_bundle(bundle)
    assert found.faults == () and found.entries > 5
    parts = [json.loads(line) for line in bundle]
    kinds = [part["part"] for part in parts if part["part"] != "entry"]
    assert kinds == ["bundle", "alert", "search", "search", "baseline", "clause", "configuration"]
    clause = next(part["value"] for part in parts if part["part"] == "clause")
    assert (clause["text"], clause["source"], clause["valid_from"]) == (CLAUSE.text, "Policy 1", "2021-07-29")
    judged_by = parts[len(kinds) - 1]["value"]
    assert judged_by["config_digest"] == judged_by["entry"]["body"]["config_digest"] == ONE.config_digest
    assert judged_by["entry"]["body"]["packs"][0]["clauses"] == [clause]


def test_the_clause_is_that_of_the_configuration_that_judged(new_store: NewStore) -> None:
    store = new_store()
    fill(store)
    today = msgspec.structs.replace(CLAUSE, text="A search needs a case and a supervisor.")
    later = replace(IN_FORCE, digest="f" * 16)
    with store.writing() as session:
        assert configurations.tell(session, later, AT) and not configurations.tell(session, later, AT)
        lines = list(export_bundle(session, ONE.alert_id, "reviewer-1", AT, today))
    assert verify_bundle(lines).faults == ()
    assert today.text.encode() not in b"".join(lines)


PARTS = ("alert", "search", "baseline", "clause", "configuration", "entry")


@pytest.mark.parametrize("part", PARTS)
def test_a_changed_byte_of_each_part_is_named(bundle: list[bytes], part: str) -> None:
    line = next(place for place, raw in enumerate(bundle) if json.loads(raw)["part"] == part)
    changed = bytearray(bundle[line])
    place = len(changed) // 2
    changed[place] ^= 1
    faults = verify_bundle([*bundle[:line], bytes(changed), *bundle[line + 1 :]]).faults
    assert line + 1 in {fault.line for fault in faults}


def test_what_is_about_others_is_sealed(bundle: list[bytes]) -> None:
    assert b"secret" not in b"".join(bundle)
    entries = [json.loads(line)["value"] for line in bundle if b'"part":"entry"' in line]
    assert any("body" not in entry for entry in entries)
    assert {entry["body"]["alert_id"] for entry in entries if "body" in entry} == {ONE.alert_id}


@settings(max_examples=150)
@given(data=st.data())
def test_any_changed_byte_is_found_in_its_line(bundle: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(bundle)
    place = data.draw(st.integers(0, len(raw) - 1))
    flipped = raw[place] ^ data.draw(st.integers(1, 255))
    changed = raw[:place] + bytes([flipped]) + raw[place + 1 :]
    found = verify_bundle(changed.splitlines(keepends=True))
    line = raw[:place].count(b"\n") + 1
    assert found.faults
    if flipped != ord("\n") and raw[place] != ord("\n"):
        assert line in {fault.line for fault in found.faults}


@given(data=st.data())
def test_removed_swapped_and_repeated_lines_are_found(bundle: list[bytes], data: st.DataObject) -> None:
    places = st.integers(0, len(bundle) - 1)
    first, second = sorted(data.draw(st.sets(places, min_size=2, max_size=2)))
    removed = bundle[:first] + bundle[first + 1 :]
    swapped = [*bundle]
    swapped[first], swapped[second] = swapped[second], swapped[first]
    repeated = [*bundle[:second], bundle[first], *bundle[second:]]
    for changed in (removed, swapped, repeated):
        assert verify_bundle(changed).faults


def test_the_changed_field_of_the_alert_is_named(bundle: list[bytes]) -> None:
    changed = [line.replace(b'"observed":21.0', b'"observed":22.0') if b'"part":"alert"' in line else line
               for line in bundle]  # fmt: skip
    faults = verify_bundle(changed).faults
    assert ("observed", 2) in {(fault.field, fault.line) for fault in faults}


def test_another_head_is_noticed(bundle: list[bytes]) -> None:
    head = verify_bundle(bundle).head
    assert head is not None
    assert verify_bundle(bundle, head.digest).faults == ()
    assert "not the head" in str(verify_bundle(bundle, "0" * 64).faults[0])


def test_the_bundle_lies_in_the_ledger(template: Path) -> None:
    with copied(template) as store:
        lines = fill(store)
        with store.reading() as session:
            entries = {chain_line(entry) for entry in ledger.entries(session)}
            sealed = {chain_line(entry.seal()) for entry in ledger.entries(session)}
            assert verify_bundle(lines).head == ledger.head(session)
    assert {line for line in lines if b'"part":"entry"' in line} <= entries | sealed


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["ledger", *map(str, words)])


def test_the_command_checks_ledgers_and_bundles(store: Store, tmp_path: Path) -> None:
    bundle, exported = tmp_path / "bundle.jsonl", tmp_path / "ledger.jsonl"
    bundle.write_bytes(b"".join(fill(store)))
    done = run("export", "--out", exported, "--database", store.engine.url, "--json")
    assert done.exit_code == 0, done.output
    head = json.loads(done.stdout.splitlines()[-1])["head"]
    for file in (bundle, exported):
        done = run("verify", file, "--head", head, "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout.splitlines()[-1])["whole"] is True
    exported.write_bytes(exported.read_bytes().replace(b"reviewer-2", b"reviewer-3", 1))
    done = run("verify", exported, "--json")
    assert done.exit_code == 1
    (fault,) = json.loads(done.stdout.splitlines()[-1])["faults"]
    assert fault["field"] == "kind, actor or body" and fault["line"] == fault["seq"]
    assert run("verify", tmp_path / "none").exit_code == 2


def test_no_store_is_exported_as_an_empty_ledger(tmp_path: Path) -> None:
    done = run(
        "export", "--out", tmp_path / "ledger.jsonl", "--database", f"sqlite:///{tmp_path}/none.sqlite"
    )
    assert done.exit_code == 1 and "there is no store at" in done.stderr
    assert [*tmp_path.iterdir()] == [], "neither a store nor a file is left"


def test_an_empty_file_is_not_simply_whole(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    done = run("verify", tmp_path / "empty")
    assert "There was nothing to check." in done.stderr


def test_a_file_that_is_no_ledger_is_told_so_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear commissioner,\n" * 50)
    done = run("verify", tmp_path / "letter")
    assert done.exit_code == 1 and len(done.stderr.strip().splitlines()) == 2
    assert "Is this a ledger or a bundle at all?" in done.stderr


def test_a_cut_ledger_is_noticed_by_its_head(store: Store, tmp_path: Path) -> None:
    fill(store)
    exported = tmp_path / "ledger.jsonl"
    assert run("export", "--out", exported, "--database", store.engine.url).exit_code == 0
    whole = exported.read_bytes().splitlines(keepends=True)
    head = json.loads(whole[-1])["digest"]
    exported.write_bytes(b"".join(whole[:-1]))
    assert run("verify", exported).exit_code == 0
    done = run("verify", exported, "--head", head)
    assert done.exit_code == 1 and "the end was cut" in done.output
