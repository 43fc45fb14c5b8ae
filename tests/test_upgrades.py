"""New code and changed settings on old state: kept, dropped, or refused with the cure; never in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from models.detectors import discover
from models.watch import VERSION
from streams.broker import EmbeddedBroker
from streams.demo.worker import free_port, running, wait_until_ready
from streams.fitting import fit
from streams.state import Identity, assemble
from tests.copies import Origin, Records, with_manifest
from tests.live import DETECTORS, Live, command, eventually, log_lines

VOLUME = "alpha: 0.01, minimum_history_days: 5, minimum_count: 2"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with EmbeddedBroker() as broker:
        yield Live(broker.url, "old", tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def origin(live: Live) -> Origin:
    """What a worker with the usual stanzas leaves behind after some weeks of a log."""
    live.ensure_topics()
    file = live.folder / "events.jsonl"
    file.write_bytes(b"\n".join(log_lines(20)[0]) + b"\n")
    with live.worker(free_port()) as worker:
        sent = command("produce", file, "--no-close", environment=live.environment)
        assert sent.returncode == 0, sent.stderr
        wait_until_ready(worker, 40)
        eventually(lambda: len(live.read("alerts")) > 3, "alerts")
        eventually(
            lambda: (
                sum(v for name, v in worker.figures().items() if name.startswith("probewatch_lag_records{"))
                == 0
            ),
            "everything absorbed",
        )
    return Origin(live)


def changed(old: str, new: str) -> str:
    assert old in DETECTORS
    return DETECTORS.replace(old, new)


def test_the_same_settings_and_those_that_only_judge_keep_the_state(origin: Origin, tmp_path: Path) -> None:
    partition = origin.busy("watch")
    snapshot = assemble(origin.states["watch"][partition], Identity("watch", VERSION, partition, 4))
    assert snapshot is not None
    for number, settings in enumerate([VOLUME, f"{VOLUME.replace('0.01', '0.001')}, half_life_days: 90"]):
        copy = origin.with_detectors(changed(VOLUME, settings), tmp_path / str(number))
        with capture_logs() as said:
            runner = copy.open("watch", partition, origin.ends["watch", partition])
        assert said == []
        assert runner.durable == snapshot.manifest.absorbed + 1
        assert copy.blocks(runner) == snapshot.blocks


VISITS = "alpha: 0.01, minimum_visits: 3"


@pytest.mark.parametrize(("old", "new", "told"), [
    (VOLUME, "windows: [1, 7]", "written with windows: [1, 7, 28, 90], now it has windows: [1, 7]"),
    (VOLUME, "of: searches", "volume was written with of: cases, now it has of: searches"),
    (VOLUME, "by: unit, over: agency", "with by: requester, over: unit, now it has by: unit, over: agency"),
    (VOLUME, "calendar: true, by: unit, over: none", "calendar: false, now it has by: unit, over: none"),
    (VOLUME, "when: exigent", "volume was written with when: none, now it has when: exigent"),
    (VISITS, "horizon_days: 30", "repeat_subject was written with horizon_days: 90, now it has horizon"),
    ("alpha: 0.3", "of: [tool]", "rare was written with of: [workstation, hour], now it has of: [tool]"),
    (f"high_count, {VOLUME}", "rare", "volume was of function high_count, now it is of rare"),
])  # fmt: skip
def test_a_detector_that_counts_something_else_is_refused_by_name_with_the_cure(
    origin: Origin, tmp_path: Path, old: str, new: str, told: str
) -> None:
    partition = origin.busy("watch")
    copy = origin.with_detectors(changed(old, new), tmp_path / "config")
    sentence = copy.refused("watch", partition, origin.ends["watch", partition])
    assert f"the state of watch, partition {partition}, cannot be used: detector " in sentence
    assert told in sentence and "\n" not in sentence
    for cure in ("Set it back", "another name", "PROBEWATCH_REBUILD_STATE=watch", "old.searches"):
        assert cure in sentence


def test_detectors_that_are_new_start_empty_and_those_gone_are_dropped(
    origin: Origin, tmp_path: Path
) -> None:
    new = changed("sequence_gap: {function: sequence_gap}", "silence: {function: silence}")
    new = new.replace("  volume:", "  officers:").replace("  rare:", "  manner:")
    copy = origin.with_detectors(new, tmp_path / "config")
    for agent, gone, added in (
        ("watch", ["rare", "volume"], ["manner", "officers"]),
        ("ingest", ["sequence_gap"], ["silence"]),
    ):
        partition = origin.busy(agent)
        with capture_logs() as said:
            runner = copy.open(agent, partition, origin.ends[agent, partition])
        told = [line["event"] for line in said]
        for name in gone:
            assert f"detector {name} is no longer configured: its state is dropped" in " ".join(told)
        for name in added:
            assert f"detector {name} is new: it starts empty" in told
        assert len(told) == len(gone) + len(added)
        names = {name.partition("\0detector/")[2].partition("/")[0] for name in copy.blocks(runner)}
        assert not names & set(gone) and names >= set(added)


def test_what_was_dropped_is_gone_for_good_and_the_rest_goes_on(origin: Origin, tmp_path: Path) -> None:
    """A stanza taken away and put back weeks later must not go on as if it had seen them."""
    copy = origin.copy("dropping")
    (tmp_path / "config").mkdir()
    new = changed("sequence_gap: {function: sequence_gap}", "silence: {function: silence}")
    copy = copy.with_detectors(new.replace("  volume:", "  officers:"), tmp_path / "config")
    before = {agent: copy.manifests(agent) for agent in ("ingest", "watch")}
    file = tmp_path / "more.jsonl"
    with running(copy.environment, free_port(), tmp_path / "worker.log") as worker:
        wait_until_ready(worker, 40)
        # What is gone is deleted one checkpoint after the one that no longer names it.
        for days, number in ((22, 1), (24, 2)):
            file.write_bytes(b"\n".join(log_lines(days)[0]) + b"\n")
            sent = command("produce", file, "--no-close", environment=copy.environment)
            assert sent.returncode == 0, sent.stderr

            def written(at_least: int = number) -> bool:
                worker.check()
                found = [(copy.manifests(agent), origin.busy(agent), before[agent]) for agent in before]
                return all(
                    now[place].epoch > then[place].epoch and now[place].sequence >= at_least
                    for now, place, then in found
                )

            eventually(written, f"checkpoint {number} of the new owner")
    for agent, gone, there in (("ingest", "sequence_gap", "silence"), ("watch", "volume", "officers")):
        partition = origin.busy(agent)
        after = copy.manifests(agent)[partition]
        assert after.absorbed > before[agent][partition].absorbed
        assert after.detectors is not None and gone not in after.detectors and there in after.detectors
        blocks = [name for name in after.blocks if "\0detector/" in name]
        assert [name for name in blocks if f"/{gone}/" in name] == []
        assert [name for name in blocks if f"/{there}/" in name]
        keys = copy.latest(agent)[partition]
        assert [key for key in keys if f"detector/{gone}/".encode() in key] == []


def test_state_that_does_not_say_who_wrote_it_is_taken_where_it_fits(origin: Origin, tmp_path: Path) -> None:
    copy = origin.copy("unsaid", edit=with_manifest(detectors=None))
    partition, end = origin.busy("watch"), origin.ends["watch", origin.busy("watch")]
    with capture_logs() as said:
        copy.open("watch", partition, end)
    assert said == []
    gone = copy.with_detectors(changed("  volume:", "  officers:"), tmp_path / "gone")
    with capture_logs() as said:
        gone.open("watch", partition, end)
    assert [line["event"][:27] for line in said] == ["detector volume is no longe"]
    other = copy.with_detectors(changed(VOLUME, f"{VOLUME}, windows: [1, 7]"), tmp_path / "other")
    sentence = other.refused("watch", partition, end)
    assert "volume" in sentence and "release and the configuration that wrote it" in sentence
    assert "PROBEWATCH_REBUILD_STATE=watch" in sentence


def test_state_of_another_release_is_refused_with_the_cure(origin: Origin) -> None:
    copy = origin.copy("release", edit=with_manifest(stage_version=VERSION + 1))
    partition = origin.busy("watch")
    sentence = copy.refused("watch", partition, origin.ends["watch", partition])
    assert f"version {VERSION + 1}" in sentence and f"version {VERSION}," in sentence
    assert "Start the release that wrote it, or start once with PROBEWATCH_REBUILD_STATE=watch" in sentence


@pytest.mark.parametrize("rebuild", ["", "watch"])
def test_more_partitions_are_refused_and_not_even_rebuilt(origin: Origin, rebuild: str) -> None:
    copy = origin.copy(f"wider{rebuild}", partitions=8)
    copy.environment["PROBEWATCH_REBUILD_STATE"] = rebuild
    partition = origin.busy("watch")
    sentence = copy.refused("watch", partition, origin.ends["watch", partition])
    assert f"partition {partition} of 4, this is" in sentence and f"partition {partition} of 8" in sentence
    assert "PROBEWATCH_TOPIC_PREFIX" in sentence and "topics --create" in sentence
    assert "REBUILD" not in sentence


def test_a_worker_ends_with_the_sentence_and_without_a_stack_trace(origin: Origin, tmp_path: Path) -> None:
    copy = origin.copy("ending").with_detectors(changed(VOLUME, f"{VOLUME}, windows: [2]"), tmp_path / "c")
    misspelled = {"PROBWATCH_BROKER": "elsewhere"}
    done = command("worker", "--web-port", "0", environment=copy.environment | misspelled)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "PROBWATCH_BROKER is not read, did you mean PROBEWATCH_BROKER?" in said
    assert "Traceback" not in said
    assert "detector volume was written with windows: [1, 7, 28, 90], now it has windows: [2]" in said
    assert copy.manifests("watch") == origin.manifests("watch"), "nothing was written"


def test_the_cure_of_a_changed_setting_is_one(origin: Origin, tmp_path: Path) -> None:
    copy = origin.copy("cured").with_detectors(changed(VOLUME, f"{VOLUME}, windows: [2]"), tmp_path / "c")
    cure = {"PROBEWATCH_REBUILD_STATE": "watch"}
    partition = origin.busy("watch")
    with running(copy.environment | cure, free_port(), tmp_path / "worker.log") as worker:
        wait_until_ready(worker, 40)
        eventually(lambda: partition in copy.manifests("watch"), "the state built again")
    assert "state is rebuilt" in worker.log.read_text()
    manifest = copy.manifests("watch")[partition]
    assert manifest.absorbed == origin.manifests("watch")[partition].absorbed
    assert manifest.detectors is not None and manifest.detectors["volume"].settings["windows"] == [2]
    copy.open("watch", partition, origin.ends["watch", partition])


def test_settings_that_only_judge_are_settings_of_detectors() -> None:
    for name, function in discover().items():
        fields = {field.name for field in msgspec.structs.fields(function.settings_type)}
        assert function.judging <= fields, name


def test_a_name_with_a_slash_is_not_taken_for_another(origin: Origin) -> None:
    partition = origin.busy("watch")
    records: Records = origin.states["watch"][partition]
    snapshot = assemble(records, Identity("watch", VERSION, partition, 4))
    assert snapshot is not None and snapshot.manifest.detectors is not None
    shapes = dict(snapshot.manifest.detectors)
    blocks = {"agency/lapd\0detector/a/b/rows": b"1", "agency/lapd\0detector/a/rows": b"2"}
    manifest = msgspec.structs.replace(
        snapshot.manifest, detectors={"a": shapes["volume"], "a/b": shapes["volume"]}
    )
    found = fit(snapshot._replace(manifest=manifest, blocks=blocks), {"a": shapes["volume"]})
    assert found.dropped == ("agency/lapd\0detector/a/b/rows",) and found.gone == ("a/b",)
    assert found.blocks == {"agency/lapd\0detector/a/rows": b"2"}
