"""Features, artefacts, and the rules of the registry; nothing that was tampered with is ever loaded."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from analysis.labels import Labels
from analysis.registry.changes import Action, Change, Models, NotAllowed
from analysis.registry.checking import doubts, faults, fit_of
from analysis.registry.registry import Damaged
from analysis.registry.writing import Unknown, full_digest, read_comparison, write_artefact, write_comparison
from analysis.training.comparing import NothingHeldOut, compare
from analysis.training.features import collecting, features, frame
from analysis.training.fitting import TooFewRows, fit
from analysis.training.labelled import Truth
from models.detectors.trained_profile import TrainedProfileSettings
from models.ledger import verify
from models.panel import Chosen
from models.pipeline import Pipeline
from models.serving import ArtefactRefused, Statement
from models.statistics.profiles import FEATURES
from streams.__main__ import app
from streams.artefacts import ArtefactFolder, read_artefact
from streams.serving import POINTER, REGISTRY, Pointer, read_pointer
from tests.logs import LATENESS, SOURCES, Log, Plan, reference
from tests.model_shop import STANZA, Shop, crown, log_of_weeks, open_shop, rows, week
from tests.plain_models import NIGHTS, PlainModels
from tests.textfiles import left

PLAN = Plan("city", rate=4, burst_day=20, quiet_from=15, favourite=1, missing=frozenset({12}), salt=9)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return open_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def shop(stocked: Shop, tmp_path: Path) -> Shop:
    """A shop of one's own, with both candidates."""
    shutil.copytree(stocked.config, tmp_path / "config")
    shutil.copytree(stocked.models, tmp_path / "models")
    shutil.copy(stocked.log(), tmp_path / "events.jsonl")
    return Shop(tmp_path / "config", tmp_path / "models", stocked.forest, stocked.mixture)


# Features


def test_training_sees_feature_by_feature_what_a_model_is_given_live() -> None:
    searches = PLAN.searches()
    chance = Random(4)
    delays = [chance.uniform(0, LATENESS - 3600) for _ in searches]
    models = (Statement(1, 0.0, STANZA, champion=NIGHTS),)
    # Live: late and out of order, in small batches. For training: the file in order, in one go.
    arrived = Log(searches, 40, delays, models=models).messages()
    artefacts = PlainModels()
    known = reference(SOURCES)
    live_reference = type(known)(**{**known.__dict__, "artefacts": artefacts})
    settings = TrainedProfileSettings(minimum_searches=2, minimum_history_days=28)
    live = Pipeline(live_reference, [Chosen(name=STANZA, function=STANZA, settings=settings)], "")
    for first in range(0, len(arrived), 13):
        live.feed(arrived[first : first + 13])
    trained, kept = collecting(known, 2)
    trained.feed(Log(searches, 40).messages())
    table = frame(kept)
    given = np.concatenate(artefacts.models[NIGHTS].seen)
    assert len(table) == len(given) > 8
    for place, name in enumerate(FEATURES):
        assert table[name].to_numpy().tolist() == given[:, place].tolist(), name
    assert len({tuple(row) for row in given.tolist()}) > 4, "rows that are all alike would prove nothing"


def test_features_of_a_file_are_the_same_again(stocked: Shop) -> None:
    from analysis.loading import desk

    found = desk(stocked.config, stocked.models, STANZA)
    one, number = rows(stocked.config, stocked.log())
    other, _ = features([stocked.log()], found.reference, 5)
    assert one.equals(other)
    assert number == len(log_of_weeks())


# Artefacts


def test_a_model_scores_again_as_it_was_calibrated(stocked: Shop) -> None:
    for digest in (stocked.forest, stocked.mixture):
        model = ArtefactFolder(stocked.models).load(digest)
        manifest = model.manifest
        assert np.allclose(model.scores(np.array(manifest.sample)), manifest.sample_scores, rtol=1e-12)
        assert list(manifest.calibration) == sorted(manifest.calibration)
        assert manifest.trained[1] < manifest.calibrated[0]
        assert len(manifest.calibration) == manifest.rows[1]


Edit = Callable[[Path], None]


def _other_byte(place: Path) -> None:
    model = place / "model.skops"
    raw = bytearray(model.read_bytes())
    raw[len(raw) // 2] ^= 1
    model.write_bytes(bytes(raw))


def _kinder_threshold(place: Path) -> None:
    file = place / "manifest.json"
    file.write_bytes(file.read_bytes().replace(b'"minimum_searches":5', b'"minimum_searches":9'))


@pytest.mark.parametrize(
    ("edit", "reason", "said"),
    [
        (_other_byte, "tampered", "the model of"),
        (_kinder_threshold, "tampered", "the manifest of"),
        (lambda place: (place / "model.skops").unlink(), "missing", "model.skops of"),
        (shutil.rmtree, "missing", "manifest.json of"),
    ],
)
def test_what_was_changed_or_taken_away_is_refused(shop: Shop, edit: Edit, reason: str, said: str) -> None:
    place = shop.models / "artefacts" / shop.forest
    before = (place / "manifest.json").read_bytes()
    edit(place)
    assert (
        not place.exists()
        or edit is not _kinder_threshold
        or (place / "manifest.json").read_bytes() != before
    )
    with pytest.raises(ArtefactRefused, match=said) as refused:
        ArtefactFolder(shop.models).load(shop.forest)
    assert refused.value.reason == reason


class Smuggled:
    """What a pickle would run."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.witness,))


def put(shop: Shop, model: bytes, **changes: object) -> str:
    """An artefact whose digests are all right, with this model in it."""
    good = msgspec.json.decode((shop.models / "artefacts" / shop.forest / "manifest.json").read_bytes())
    manifest = msgspec.json.encode({**good, "model_sha256": hashlib.sha256(model).hexdigest(), **changes})
    digest = hashlib.sha256(manifest).hexdigest()
    place = shop.models / "artefacts" / digest
    place.mkdir()
    (place / "manifest.json").write_bytes(manifest)
    (place / "model.skops").write_bytes(model)
    return digest


def test_no_pickle_is_loaded_however_it_is_wrapped(shop: Shop, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    raw = pickle.dumps(Smuggled(witness))
    archive = tmp_path / "model.zip"
    good = (shop.models / "artefacts" / shop.forest / "model.skops").read_bytes()
    (tmp_path / "good.zip").write_bytes(good)
    with zipfile.ZipFile(tmp_path / "good.zip") as whole, zipfile.ZipFile(archive, "w") as spoilt:
        for name in whole.namelist():
            # Every array of the model is a pickle now, and one more lies beside them.
            spoilt.writestr(name, raw if name.endswith(".npy") else whole.read(name))
        spoilt.writestr("model.pkl", raw)
    for model in (raw, archive.read_bytes()):
        digest = put(shop, model)
        with pytest.raises(ArtefactRefused) as refused:
            read_artefact(shop.models, digest)
        assert refused.value.reason == "untrusted"
    assert not witness.exists()
    pickle.loads(raw)  # it is one that would have run
    assert witness.exists()


def test_types_that_no_model_of_ours_has_are_refused_by_name(shop: Shop) -> None:
    import skops.io

    digest = put(shop, skops.io.dumps({"model": Random(1)}))
    with pytest.raises(ArtefactRefused, match=r"random\.Random") as refused:
        read_artefact(shop.models, digest)
    assert refused.value.reason == "untrusted"


def test_a_model_that_scores_otherwise_than_it_says_is_refused(shop: Shop) -> None:
    mixture = (shop.models / "artefacts" / shop.mixture / "model.skops").read_bytes()
    with pytest.raises(ArtefactRefused, match="gives other scores here") as refused:
        read_artefact(shop.models, put(shop, mixture))
    assert refused.value.reason == "unfit"
    with pytest.raises(ArtefactRefused, match="other features"):
        read_artefact(shop.models, put(shop, mixture, features=["searches"]))


def test_an_artefact_is_there_whole_or_not_at_all(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rows(shop.config, shop.log())[0]
    trained = fit(found, "gaussian_mixture", data_sha256="0" * 64, searches=1, minimum_searches=5)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space"):
        write_artefact(tmp_path / "elsewhere", trained)
    assert list((tmp_path / "elsewhere" / "artefacts").iterdir()) == []
    monkeypatch.undo()
    digest = write_artefact(tmp_path / "elsewhere", trained)
    assert write_artefact(tmp_path / "elsewhere", trained) == digest
    assert read_artefact(tmp_path / "elsewhere", digest).manifest == trained.manifest


def test_too_short_a_log_is_refused_with_what_it_has(stocked: Shop) -> None:
    found, _ = rows(stocked.config, stocked.log())
    few = found[found["sunday"] <= "2021-05-30"]
    with pytest.raises(TooFewRows, match="200 of each are needed"):
        fit(few, "isolation_forest", data_sha256="", searches=0, minimum_searches=5)


def test_a_comparison_needs_time_that_no_model_has_seen(stocked: Shop) -> None:
    found, _ = rows(stocked.config, stocked.log())
    model = read_artefact(stocked.models, stocked.forest)
    seen = found[found["sunday"] <= model.manifest.calibrated[1]]
    with pytest.raises(NothingHeldOut, match="0 Sundays of the log"):
        compare(seen, STANZA, (stocked.forest, model), None, alpha=0.05, data_sha256="")
    made = compare(found, STANZA, (stocked.forest, model), None, alpha=0.05, data_sha256="")
    assert made.begins > model.manifest.calibrated[1]
    again = compare(
        found, STANZA, (stocked.forest, model), (stocked.forest, model), alpha=0.05, data_sha256=""
    )
    assert (again.both, again.new, again.gone) == (made.candidate.alerts, (), ())
    assert again.rank_correlation == 1.0 and made.candidate.alerts > 0


def test_a_champion_that_fits_no_longer_is_found_out(stocked: Shop) -> None:
    recent, _ = rows(stocked.config, stocked.log())
    side, said = fit_of(stocked.models, stocked.forest, recent, 0.05)
    assert said == [] and side.largest_stability_index < 0.25
    moved = recent.assign(night=recent["night"] * 3, tools=recent["tools"] + 2)
    side, said = fit_of(stocked.models, stocked.forest, moved, 0.05)
    assert any("features fall elsewhere" in one for one in said)
    assert any("small p-values" in one for one in said)


# The registry

WHO = ("analyst-1", "Analyst-1", "reviewer-1")
MODELS = tuple(letter * 64 for letter in "123")
ACTIONS: tuple[Action, ...] = get_args(Action)
changes = st.tuples(st.sampled_from(ACTIONS), st.sampled_from(MODELS), st.sampled_from(WHO))


@settings(max_examples=300, derandomize=True)
@given(st.lists(changes, max_size=40))
def test_whatever_is_tried_two_people_stand_behind_every_champion(
    steps: list[tuple[Action, str, str]],
) -> None:
    done: list[tuple[int, str, Change]] = []
    models = Models()
    for action, model, by in steps:
        change = Change(
            action=action, stanza=STANZA, model=model, comparison="c" * 64, since=float(len(done))
        )
        try:
            trial = Models()
            for number, who, before in [*done, (len(done) + 1, by, change)]:
                trial.take(number, who, before)
        except NotAllowed:
            continue
        models = trial
        done.append((len(done) + 1, by, change))
        states = [one.state for one in models.by_digest.values()]
        assert states.count("champion") <= 1 and states.count("shadow") <= 1
        serving = models.statements[-1] if models.statements else None
        assert models.champion(STANZA) == (serving.champion if serving else None)
        assert models.shadow(STANZA) == (serving.shadow if serving else None)
    for place, (_, by, change) in enumerate(done):
        if change.action == "approved":
            asked = next(
                who for _, who, one in reversed(done[:place])
                if (one.action, one.model) == ("asked", change.model)
            )  # fmt: skip
            assert asked.casefold() != by.casefold()


def test_the_way_of_a_model_and_its_refusals(shop: Shop) -> None:
    registry = shop.registry
    say: dict[str, Any] = {"stanza": STANZA, "model": shop.forest}

    def refused(by: str, change: Change, said: str) -> None:
        before = (shop.models / REGISTRY).read_bytes()
        with pytest.raises(NotAllowed, match=said):
            registry.change(by, change)
        assert (shop.models / REGISTRY).read_bytes() == before

    refused("reviewer-1", Change(action="approved", since=1.0, **say), "is candidate, not shadow")
    registry.change("analyst-1", Change(action="shadowed", since=1.0, **say))
    refused("analyst-1", Change(action="asked", **say), "needs a comparison")
    refused("reviewer-1", Change(action="approved", since=1.0, **say), "nobody has asked")
    registry.change("analyst-1", Change(action="asked", comparison="c" * 64, **say))
    approved = Change(action="approved", comparison="c" * 64, since=2.0, **say)
    for name in ("analyst-1", "Analyst-1", " ANALYST-1\t", "ａｎａｌｙｓｔ-1"):
        refused(name, approved, "nobody is their own second")
    for name, fault in (("", "is empty"), (" ", "is empty"), ("a\nb", "printed"), ("ana\u200b", "printed")):
        refused(name, approved, f"{fault}.*such as ana")
    refused("reviewer-1", msgspec.structs.replace(approved, since=0.5), "not before that")
    registry.change("reviewer-1", approved)
    refused("analyst-1", Change(action="retired", **say), "promote another, or roll back")
    assert read_pointer(shop.models)[-1].champion == shop.forest

    crown(shop, shop.mixture, 3.0)
    states = {one.digest: one.state for one in registry.models().by_digest.values()}
    assert states == {shop.forest: "retired", shop.mixture: "champion"}
    back = Change(action="rolled_back", stanza=STANZA, model=shop.mixture, since=4.0)
    entry, models = registry.change("reviewer-1", back)
    assert models.champion(STANZA) == shop.forest
    assert read_pointer(shop.models)[-1] == Statement(entry.seq, 4.0, STANZA, champion=shop.forest)


def test_the_registry_is_a_chain_that_anybody_can_check(shop: Shop) -> None:
    registry = shop.registry
    entry, _ = registry.change(
        "analyst-1", Change(action="shadowed", since=1.0, stanza=STANZA, model=shop.forest)
    )
    file = shop.models / REGISTRY
    lines = file.read_bytes().splitlines(keepends=True)
    assert faults(shop.models, registry.models()) == []
    file.write_bytes(b"".join(lines[:-1]))
    (said,) = faults(shop.models, registry.models())
    assert "Either it was changed: then --repair" in said and "entries are missing at the end of" in said
    assert "put back a copy of that first" in said and str(shop.models / POINTER) in said
    file.write_bytes(b"".join(lines))
    assert registry.entries()[-1] == entry and entry.kind == "model" and entry.actor == "analyst-1"
    assert not verify(lines, entry.digest).faults
    file.write_bytes(file.read_bytes().replace(b'"actor":"analyst-1"', b'"actor":"reviewer-1"', 1))
    with pytest.raises(Damaged, match="line 1"):
        registry.models()
    with pytest.raises(Damaged):
        registry.change("analyst-1", Change(action="retired", since=2.0, stanza=STANZA, model=shop.forest))


def test_an_entry_that_cannot_be_written_whole_is_not_there(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (shop.models / REGISTRY).read_bytes()
    change = Change(action="shadowed", since=1.0, stanza=STANZA, model=shop.forest)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        shop.registry.change("analyst-1", change)
    monkeypatch.undo()
    assert (shop.models / REGISTRY).read_bytes() == before
    shop.registry.change("analyst-1", change)


def test_a_model_is_named_by_how_its_digest_begins() -> None:
    assert full_digest([NIGHTS, "ab" * 32], "aaaa") == NIGHTS
    for begin, said in (("aaa", "four digits"), ("bbbb", "no model begins"), ("", "2 models begin")):
        with pytest.raises(Unknown, match=said):
            full_digest([NIGHTS, "ab" * 32], begin)


# The pointer


def test_a_pointer_that_is_broken_or_names_a_bad_model_leaves_what_served(shop: Shop) -> None:
    crown(shop, shop.forest, 1.0)
    pointer = Pointer(shop.models)
    good = pointer.look()
    assert [one.champion for one in good] == [shop.forest]
    (shop.models / POINTER).write_bytes(b"[{")
    assert pointer.look() == good
    crown(shop, shop.mixture, 2.0)
    _other_byte(shop.models / "artefacts" / shop.mixture)
    assert pointer.look() == good, "the champion goes on"
    shop.registry.change(
        "reviewer-1", Change(action="rolled_back", stanza=STANZA, model=shop.mixture, since=3.0)
    )
    assert [one.champion for one in pointer.look()][-1] == shop.forest


# The commands


def commanded(*words: str | Path, code: int = 1) -> str:
    """What a command says that ends with this code."""
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_what_cannot_be_done_is_said_with_its_cure(shop: Shop) -> None:
    mine = ("--models", shop.models)
    for model in (shop.forest, shop.mixture):
        commanded("models", "retire", model, "--as", "ana", *mine, code=0)
    said = commanded("models", "promote", shop.forest, "--as", "ana", *mine)
    assert "is retired, not shadow: that is for good; `train` another" in said
    said = commanded("models", "approve", "shadow", "--as", "ben", *mine)
    assert "no model is in shadow" in said and f"{shop.forest[:12]} (retired)" in said
    said = commanded("models", "approve", "retired", "--as", "ben", *mine)
    assert "2 models are retired" in said


def test_a_folder_that_is_not_there_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "absent"
    for words in (("list",), ("check",), ("rollback", "--as", "ana")):
        said = commanded("models", *words, "--models", absent)
        assert f"there is no folder {absent}" in said and not absent.exists()
    monkeypatch.setenv("PROBEWATCH_MODELS_DIR", str(absent))
    assert f"there is no folder {absent}" in commanded("models", "list")
    monkeypatch.delenv("PROBEWATCH_MODELS_DIR")
    monkeypatch.chdir(tmp_path)
    assert "no model in" in commanded("models", "list", code=0)


def test_without_rights_the_path_and_the_cure_are_said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", locked)
        said = commanded("models", "list", "--models", shop.models)
    assert f"cannot use {shop.models / REGISTRY}: Permission denied; let your account" in said

    def trained(*_: object) -> None:
        raise AssertionError("it was noticed too late")

    monkeypatch.setattr("analysis.training.features.features", trained)
    log = ("--config", shop.config, "--input", shop.log(), "--as", "ana")
    said = commanded("train", *log, "--models", shop.log() / "below")
    assert f"cannot use {shop.log()}: it is no folder; let your account" in said
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != "artefacts")
    said = commanded("train", *log, "--models", shop.models)
    assert f"cannot use {shop.models / 'artefacts'}: it cannot be written; let your account" in said


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (
            "2019-06-11",
            "--until 2019-06-11 comes before the log: the log has the days from 2021-03-01 to 2022",
        ),
        ("2021-06-01", "or a later --until than 2021-06-01: the log has the days from 2021-03-01 to 2022"),
    ],
)
def test_too_early_a_last_day_is_named_as_the_cause(shop: Shop, until: str, said: str) -> None:
    told = commanded(
        "train", "--config", shop.config, "--models", shop.models, "--input", shop.log(), "--as", "ana",
        "--until", until,
    )  # fmt: skip
    assert said in told and "the last of them that the model may see" in told
    assert "--minimum-searches" not in told


def test_a_comparison_that_speaks_against_the_candidate_is_told_of(shop: Shop) -> None:
    found, _ = rows(shop.config, shop.log())
    moved = found.assign(night=found["night"] * 3, tools=found["tools"] + 2)
    model = read_artefact(shop.models, shop.forest)
    truth = Truth(Labels(), complete=True)
    made = compare(moved, STANZA, (shop.forest, model), None, alpha=0.05, data_sha256="", truth=truth)
    silent = msgspec.structs.replace(made.candidate, alerts=0, labelled=None)
    assert any("it tells nothing" in one for one in doubts(silent))
    comparison = write_comparison(shop.models, made)
    mine = ("--models", shop.models)
    said = commanded("models", "promote", shop.forest, "--as", "ana", "--from", "2022-01-01", *mine, code=0)
    assert "warning" not in said
    for words in (("promote", "--as", "ana"), ("approve", "--as", "ben", "--from", "2022-01-01")):
        said = commanded("models", words[0], "shadow", *words[1:], *mine, code=0)
        number = made.candidate.alerts
        assert f"warning: by the comparison, {shop.forest[:12]}: 0 of {number} findings are right" in said
        assert "small p-values are not as many as due; train anew" in said
    assert shop.registry.models().by_digest[shop.forest].comparison == comparison


def test_from_a_log_to_a_champion_by_the_commands(
    stocked: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    monkeypatch.setenv("PROBEWATCH_MODELS_DIR", str(models))
    monkeypatch.setenv("PROBEWATCH_CONFIG_DIR", str(stocked.config))

    def said(*words: str | Path, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*map(str, words)])
        assert done.exit_code == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    until = datetime.fromtimestamp(week(34), UTC).date().isoformat()
    log = ("--input", stocked.log())
    made = said(
        "train", *log, "--as", "analyst-1", "--until", until, "--algorithm", "gaussian_mixture", "--json",
        "--textfile", tmp_path / "train.prom",
    )  # fmt: skip
    told = json.loads(made.splitlines()[-1])
    model, figures = told["model"], left(tmp_path / "train.prom", "train")
    assert figures["stanza_info", model, STANZA] == 1
    assert [figures["figure", f"profiles_{kind}"] for kind in ("fitted", "calibrating")] == told["rows"]
    said("models", "promote", model, "--as", "analyst-1", "--from", "2021-09-01")
    comparison = json.loads(said("models", "compare", model[:8], *log, "--json").splitlines()[-1])[
        "comparison"
    ]
    assert read_comparison(models, comparison).candidate.digest == model
    said("models", "promote", model, "--as", "analyst-1", "--comparison", comparison)
    assert "nobody is their own second" in said("models", "approve", model, "--as", "analyst-1", code=1)
    assert "nobody is their own second" in said("models", "approve", model, "--as", "Analyst-1", code=1)
    before = {file: file.read_bytes() for file in models.rglob("*") if file.is_file()}
    nobody = tmp_path / "nobody"
    for name in ("", " ", "a\nb"):
        for words in (
            ("models", "promote", model), ("models", "approve", model), ("models", "retire", model),
            ("models", "rollback"), ("train", *log, "--models", nobody),
        ):  # fmt: skip
            assert "account, such as ana" in " ".join(said(*words, "--as", name, code=2).split())
    assert {file: file.read_bytes() for file in models.rglob("*") if file.is_file()} == before
    assert not nobody.exists()
    said("models", "approve", model, "--as", " reviewer-1 ", "--from", "2021-09-01")
    assert '"actor":"reviewer-1"' in (models / REGISTRY).read_text().splitlines()[-1]
    listed = json.loads(said("models", "list", "--json").splitlines()[-1])["models"]
    assert [(one["state"], one["by"]) for one in listed] == [("champion", "analyst-1")]
    assert json.loads(said("models", "check", *log, "--json").splitlines()[-1])["ok"]
    (models / POINTER).write_bytes(b"[]")
    assert "--repair" in said("models", "check", code=1)
    said("models", "check", "--repair")
    _other_byte(models / "artefacts" / model)
    assert "was changed; put back the original" in said("models", "check", code=1)
    said("models", "rollback", "--as", "reviewer-1", "--reason", "it was changed")
    assert read_pointer(models)[-1].champion is None
    assert "nothing serves" in said("models", "rollback", "--as", "reviewer-1", code=1)
