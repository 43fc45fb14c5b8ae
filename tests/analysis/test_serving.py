"""Which model judges a day depends on what was said and since when, never on batches, order or restarts."""

from __future__ import annotations

import re
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.alert import Alert
from models.packing import decode_pack, encode_pack
from models.pipeline import Pipeline, Standing
from models.reference import Reference
from models.serving import Statement, in_force, known
from models.stage import Record
from models.statistics.profiles import FEATURES
from tests.ingesting import packs as packs_of
from tests.logs import DAY, LATENESS, SOURCES, START, Log, Plan, alerts_of, panel, reference, run
from tests.plain_models import DESKS, MISSING, NIGHTS, PlainModels

STANZA = "trained_profile"
PLAN = Plan("city", rate=3, burst_day=20, quiet_from=15, favourite=1, missing=frozenset(), salt=5)
SWITCH = START + 23 * DAY
#: NIGHTS at first, DESKS for days that end after the 23rd day.
SWITCHED = (
    Statement(1, 0.0, STANZA, champion=NIGHTS),
    Statement(2, SWITCH, STANZA, champion=DESKS, shadow=NIGHTS),
)


def make(models: PlainModels | None = None) -> Pipeline:
    found = reference(SOURCES)
    if models is not None:
        found = Reference(**{**found.__dict__, "artefacts": models})
    return Pipeline(found, panel(STANZA), "digest")


def model_of(alert: Alert) -> str:
    named = re.search(r"to model (\w)", alert.explanation)
    assert named is not None
    return named[1]


def messages(statements: tuple[Statement, ...], delays: list[float] | None = None) -> list[bytes]:
    return Log(PLAN.searches(), 40, delays or [], models=statements).messages()


def test_a_model_judges_the_days_that_end_after_its_time() -> None:
    _, standing = run(messages(SWITCHED), make)
    ends: dict[str, list[float]] = {"a": [], "b": []}
    for alert in standing.alerts(withdrawn=True):
        ends[model_of(alert)].append(alert.window_end.timestamp())
    assert ends["a"] and ends["b"]
    assert max(ends["a"]) <= SWITCH < min(ends["b"])


@settings(max_examples=15, derandomize=True)
@given(splits=st.lists(st.integers(0, 10_000), max_size=8), seed=st.integers(0, 1000))
def test_neither_batches_nor_order_change_who_judges(splits: list[int], seed: int) -> None:
    whole, standing = run(messages(SWITCHED), make)
    assert alerts_of(run(messages(SWITCHED), make, splits)[0]) == alerts_of(whole)
    chance = Random(seed)
    delays = [chance.uniform(0, LATENESS - 3600) for _ in PLAN.searches()]
    assert run(messages(SWITCHED, delays), make)[1].lines() == standing.lines()


@settings(max_examples=10, derandomize=True)
@given(heard=st.integers(0, 22))
def test_it_does_not_matter_when_a_worker_hears_of_it_before_the_day(heard: int) -> None:
    expected = run(messages(SWITCHED), make)[1].lines()
    # Up to that day ticks say only what was known then.
    early, late = messages(SWITCHED[:1]), messages(SWITCHED)
    cut = sum(b'"tick"' in line and line[9:19] < _day(heard) for line in late)
    ticks = 0
    mixed = []
    for one, other in zip(early, late, strict=True):
        ticks += one.startswith(b'{"tick"')
        mixed.append(one if ticks <= cut else other)
    assert run(mixed, make)[1].lines() == expected


def _day(number: int) -> bytes:
    return str(np.datetime64("2021-03-01") + number).encode()


@settings(max_examples=10, derandomize=True)
@given(cut=st.integers(1, 10_000))
def test_a_restart_keeps_what_was_said(cut: int) -> None:
    lines = messages(SWITCHED)
    expected = alerts_of(run(lines, make)[0])
    place = cut % len(lines)
    first = make()
    said = alerts_of(first.feed(lines[:place]))
    second = make()
    second.ingest.restore(first.ingest.snapshot(full=True))
    second.watch.restore(first.watch.snapshot(full=True))
    second.resume(*first.position)
    # What comes after the restart says nothing of models: the state alone knows.
    silent = messages(()) if place > len(lines) // 2 else lines
    assert said + alerts_of(second.feed(silent[place:])) == expected


def test_a_missing_model_is_counted_and_the_one_before_goes_on() -> None:
    broken = (*SWITCHED[:1], Statement(2, SWITCH, STANZA, champion=MISSING))
    pipeline, standing = make(), Standing()
    standing.take(pipeline.feed(messages(broken)))
    assert standing.lines() == run(messages(SWITCHED[:1]), make)[1].lines()
    assert pipeline.counts["models_refused", f"{STANZA}|missing"] > 0


def test_a_shadow_is_counted_and_changes_no_alert() -> None:
    alone = (Statement(1, 0.0, STANZA, champion=NIGHTS),)
    beside = (Statement(1, 0.0, STANZA, champion=NIGHTS, shadow=DESKS),)
    counted, plain = make(), make()
    one, other = Standing(), Standing()
    one.take(counted.feed(messages(beside)))
    other.take(plain.feed(messages(alone)))
    assert one.lines() == other.lines()
    # As many as it would tell as champion, one record each.
    told = alerts_of(run(messages((Statement(1, 0.0, STANZA, champion=DESKS),)), make)[0])
    assert counted.counts["shadow_alerts", STANZA] == len(told) > 0
    assert ("shadow_alerts", STANZA) not in plain.counts


def test_nothing_serves_before_anything_was_said() -> None:
    assert alerts_of(run(messages(()), make)[0]) == []


def test_figures_tell_of_drift_and_calibration() -> None:
    pipeline = make()
    pipeline.feed(messages(SWITCHED[:1]))
    figures = pipeline.watch.gauges()
    drift = {label.rpartition("|")[2] for name, label in figures if name == "model_stability"}
    assert drift == set(FEATURES)
    assert figures["model_serving", f"city|{STANZA}|"] == 1
    # Hardly anybody in that log reaches the best twentieth of the calibration.
    assert 0 <= figures["model_calibration", f"city|{STANZA}|"] < 20


def test_packs_keep_what_was_said_before_its_mark() -> None:
    pipeline = make()
    lines = messages(SWITCHED)
    packs = packs_of(pipeline.ingest.absorb([Record(at, line, None) for at, line in enumerate(lines)]))
    said = [(pack.marks[index], one) for pack in packs for index, one in pack.statements]
    assert sorted({one.number for _, one in said}) == [1, 2]
    again = [decode_pack(value) for pack in packs for value in encode_pack(pack)]
    assert said == [(pack.marks[index], one) for pack in again for index, one in pack.statements]


def test_statements_that_no_day_needs_are_dropped() -> None:
    one, other = Statement(1, 5.0, "a", champion=NIGHTS), Statement(2, 5.0, "b", champion=NIGHTS)
    later, back = Statement(3, 9.0, "a", champion=DESKS), Statement(4, 9.0, "a", champion=NIGHTS)
    assert known([back, one, later, other, one]) == (one, other, back)
    assert in_force((one, other, back), "a", 9.5) == [back, one]
    assert in_force((one, other, back), "a", 9.0) == [one]
