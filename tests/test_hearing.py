"""The detection benchmark on a small city: what is heard of the detectors, a seed scored, and the page."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from bench.detection.findings import alerts, of_detectors
from bench.detection.hearing import Heard, hear
from bench.detection.page import BEGIN, END, write
from bench.detection.run import OURS, SHIPPED, Seed, judged
from bench.simulator import decoys
from bench.simulator.city import metropolis
from bench.simulator.generate import simulate
from bench.simulator.incidents import discover
from bench.simulator.protests import make_up
from bench.simulator.seeds import generator
from bench.simulator.world import World
from models.alert import encode_alert
from models.detectors import settings_types
from models.p_values import BOUNDS
from models.ticking import Ticker
from streams.configuration import load
from streams.replay import replay
from streams.settings import load_settings
from streams.stages import chosen, pipeline
from streams.survey import survey


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    """Two years and a quarter of a small police department, with a few incidents in the last year."""
    city = replace(metropolis(3_000, 3, 0), officers=120)
    city = replace(city, first=city.first.replace(month=10))
    world = World(city, 0, protests=make_up(city, 0))
    makers = discover()
    for scenario in ("S1", "S2", "S5", "S6", "S9", "S10"):
        incident = makers[scenario](world, 1, generator(0, "incident", scenario))
        assert incident is not None
        world.add(incident)
    decoys.careers(world)
    folder = tmp_path_factory.mktemp("detection")
    simulate(world, folder, SHIPPED)
    return world, folder


def shipped_with(out: Path, *stanzas: str, budget: bool = True) -> Path:
    """The shipped configuration with some of its detectors, which takes less time than with all."""
    shutil.copytree(SHIPPED, out)
    file = out / "detectors.yaml"
    known = yaml.safe_load(file.read_text())
    known["detectors"] = {name: known["detectors"][name] for name in stanzas}
    if not budget:
        del known["budget"]
    file.write_text(yaml.safe_dump(known))
    return out


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the incidents are for, and a detector that weighs what others find."""
    return shipped_with(
        tmp_path_factory.mktemp("shipped") / "config",
        "policy_clause", "requester_volume", "unit_volume", "demonstration_spike", "repeat_subject", "risk",
    )  # fmt: skip


@pytest.fixture(scope="module")
def heard(small: tuple[World, Path], some: Path) -> Heard:
    return hear(small[1], some)


@pytest.fixture(scope="module")
def scored(small: tuple[World, Path], heard: Heard) -> Seed:
    return judged(*small, heard, "small", 0)


def test_listening_changes_no_alert(small: tuple[World, Path], some: Path, heard: Heard) -> None:
    _, folder = small
    machine = pipeline(load_settings(config_dir=folder), load(folder, some, settings_types()))
    file = folder / "events.jsonl"
    *_, result = replay([file], machine, Ticker(sources=survey([file]).sources))
    assert [encode_alert(alert) for alert in result.stream] == [encode_alert(alert) for alert in heard.alerts]
    assert {alert.detector for alert in heard.alerts} >= {
        "policy_clause",
        "requester_volume",
        "repeat_subject",
    }


def test_a_threshold_makes_of_opened_findings_what_the_product_raises_at_that_alpha(
    small: tuple[World, Path], tmp_path: Path
) -> None:
    # Without a budget, which holds back what a threshold alone would tell.
    counting = "requester_volume", "unit_volume"
    config = shipped_with(tmp_path / "config", *counting, budget=False)
    heard = hear(small[1], config)
    stanzas = chosen(load(config, config, settings_types()))
    assert {one.name for one in stanzas} == set(counting)
    compared = 0
    for stanza in stanzas:
        least = -math.log(getattr(stanza.settings, "alpha", 1.0))
        found = of_detectors(heard.findings[stanza.name])
        ours = Counter(found.entities[found.key[one.places[0]]][1] for one in alerts(found, least))
        standing = {alert.alert_id: alert for alert in heard.alerts if alert.detector == stanza.name}
        theirs = Counter(alert.entity for alert in standing.values() if alert.status != "withdrawn")
        # Of a day only the strongest window is noted. Where that one reaches back to an alert, a shorter one
        # may be new to the product: it then raises one more, which must be explained in just this way.
        strongest = {(one.entity, one.window_end): one.window_start for _, one in heard.findings[stanza.name]}
        first = {alert.alert_id: alert for alert in reversed(heard.alerts)}
        hidden = Counter(
            alert.entity
            for alert in map(first.__getitem__, standing)
            if strongest.get((alert.entity, alert.window_end.timestamp()), math.inf)
            < alert.window_start.timestamp()
        )
        assert ours <= theirs and theirs - ours <= hidden
        compared += len(theirs)
    assert compared


def test_one_seed_is_scored_from_end_to_end(scored: Seed) -> None:
    found = scored
    assert set(found.tasks) == {"volume", "demonstration", "stalking"}
    assert found.tasks["volume"].scenarios == ("S1", "S2", "S5")
    for methods in found.scored.values():
        for method in methods.values():
            for point in method.points.values():
                assert 0 <= point.caught <= point.incidents
                assert sum(hits for hits, _ in point.by_scenario.values()) == point.caught
    assert found.scored["stalking"][OURS].points[0.1].recall == 1.0
    assert found.shipped.caught["S10 L1"] == [1, 1]
    days = {name: sum(of[1] for of in groups.values()) for name, groups in found.groups.items()}
    assert len(set(days.values())) == 1


def test_honest_windows_keep_their_promise_in_every_stratum_and_every_stanza(scored: Seed) -> None:
    strata = dict((name, ratios) for name, judged, ratios, _ in scored.tails.rows(2_000))
    assert len(strata) >= 3
    for name, ratios in strata.items():
        assert 0.3 < ratios[0] < 1.5, name
    for stanza, below in scored.below.items():
        promised = 0.01 * below[-1]
        assert below[BOUNDS.index(0.01)] <= 1.5 * promised + 3 * promised**0.5, stanza


def test_the_page_is_rewritten_between_its_markers_alone(scored: Seed, tmp_path: Path) -> None:
    page = tmp_path / "detection.md"
    begin, other = (BEGIN.format(scale=scale) for scale in (scored.scale, "1M"))
    rest = f"{END}\n{other}\nkept\n{END}\nafter\n"
    page.write_text(f"before\n{begin}\nold\n{rest}")
    write(page, [scored], "the command")
    once = page.read_text()
    assert once.startswith(f"before\n{begin}\n") and once.endswith(rest)
    assert "the command" in once and "old" not in once and "| volume recall @0.1 |" in once
    ElementTree.fromstring((tmp_path / f"detection-{scored.scale}.svg").read_text())
    write(page, [scored], "the command")
    assert page.read_text() == once
    page.write_text("no markers")
    with pytest.raises(ValueError, match="are not there"):
        write(page, [scored], "the command")
