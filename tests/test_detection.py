"""The detection benchmark: thresholds, scores and baselines, on small inputs."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.baselines import OFFICERS, SERIES, Baseline, Skipped
from bench.baselines.base import Scores, one_day
from bench.baselines.farrington import Farrington
from bench.baselines.features import HalfSpaceTrees
from bench.baselines.oracle import Oracle
from bench.detection import external
from bench.detection.__main__ import numbers
from bench.detection.findings import Findings, alerts, of_scores, threshold
from bench.detection.hearing import opened, permitted
from bench.detection.log import Counts, Line, Log
from bench.detection.picture import panels
from bench.detection.run import SHIPPED
from bench.detection.scoring import Point, Scored, Spans, area, censored_median, score
from bench.detection.tails import Tails
from bench.detection.truth import Truth
from bench.labels import Label
from models.detectors import settings_types
from streams.configuration import load
from streams.stages import chosen

FIRST = datetime(2021, 1, 1, tzinfo=UTC).toordinal()
YEAR = 365
SPANS = Spans((FIRST + YEAR, FIRST + 2 * YEAR), (FIRST + 2 * YEAR, FIRST + 3 * YEAR), 1.0, 1.0)


def findings(*rows: tuple[int, int, int, float]) -> Findings:
    """Rows of key, day, window and score; keys are requesters named by their number."""
    ordered = sorted(rows)
    key, day, window = (np.array([row[column] for row in ordered], np.int64) for column in range(3))
    names = tuple(("requester", str(number)) for number in range(6))
    return Findings(names, key, day, window, np.array([row[3] for row in ordered], np.float64))


def at(day: int) -> datetime:
    """Noon of an ordinal day."""
    return datetime.fromordinal(day).replace(hour=12, tzinfo=UTC)


def truth(*told: tuple[str, int, int], lines: tuple[Line, ...] = (), ids: tuple[str, ...] = ()) -> Truth:
    """Labels of requesters from one day to another, and the log they are in."""
    labels = [
        Label(
            incident=str(number), scenario="S1", level=1, kind="anomaly", title="", agency_id="a",
            keys={"requester": (name,)}, event_ids=ids, start=at(first), end=at(last),
            detectors=("high_count",),
        )
        for number, (name, first, last) in enumerate(told)
    ]  # fmt: skip
    return Truth(labels, Log(lines or (search("e0", FIRST),), "UTC"), "UTC")


def search(event_id: str, day: int, requester: str = "0", unit: str | None = None, case: str = "c") -> Line:
    return Line(event_id, at(day), requester, "a", "lacris", unit, case)


NO_TRAPS = Truth([], Log([search("e0", FIRST)], "UTC"), "UTC")


def test_findings_close_together_are_one_alert_and_long_windows_tell_no_burst_twice() -> None:
    near = findings((0, 100, 1, 5.0), (0, 105, 1, 5.0), (0, 120, 1, 5.0), (1, 105, 1, 5.0))
    assert [one.places for one in alerts(near, 5.0)] == [(0, 1), (2,), (3,)]
    reaching = findings((0, 100, 1, 5.0), (0, 120, 28, 5.0), (0, 130, 28, 5.0))
    assert [one.places for one in alerts(reaching, 5.0)] == [(0,), (2,)]
    assert len(alerts(reaching, 5.1)) == 0


rows = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 90), st.sampled_from([1, 7, 28]), st.integers(1, 12).map(float)
    ),
    max_size=60,
    unique_by=lambda row: row[:2],
)


@given(rows, st.integers(0, 20))
def test_a_threshold_keeps_the_budget_and_the_next_lower_score_breaks_it(
    given_rows: list[tuple[int, int, int, float]], allowed: int
) -> None:
    found = findings(*given_rows)
    least = threshold(found, allowed)
    assert all(len(alerts(found, float(level))) <= allowed for level in found.score[found.score >= least])
    lower = found.score[found.score < least]
    if math.isfinite(least) and lower.size:
        assert len(alerts(found, float(lower.max()))) > allowed


def test_an_endless_alert_is_no_way_to_keep_a_budget() -> None:
    every_day = [(key, day, 1, 1.0 + (day % 20 == 0)) for key in range(6) for day in range(100)]
    found = findings(*every_day)
    assert len(alerts(found, 1.0)) == 6
    assert threshold(found, 10) > 2.0


def noise(keys: int = 300, seed: int = 0) -> Findings:
    """Every key-day of three years scored at random."""
    shape = (keys, 3 * YEAR)
    value = np.random.default_rng(seed).random(shape)
    ones = np.ones(shape, np.int64)
    counts = Counts("requester", tuple(map(str, range(keys))), FIRST, ones, ones, ones.astype(np.bool_))
    return of_scores(counts, Scores(value, one_day()), (SPANS.honest, SPANS.scored))


def test_thresholds_never_look_at_the_scored_year() -> None:
    found = noise(60)
    mixed = found.score.copy()
    scored = found.day >= SPANS.scored[0]
    mixed[scored] = np.random.default_rng(1).permutation(mixed[scored]) * 3
    shuffled = replace(found, score=mixed)
    told = truth(("3", FIRST + 800, FIRST + 820))
    before, after = (
        score(one, SPANS, told, NO_TRAPS, ("S1",), (20.0, 60.0, 200.0)) for one in (found, shuffled)
    )
    assert [point.least for point in before.curve] == [point.least for point in after.curve]
    assert [point.false for point in before.curve] != [point.false for point in after.curve]


def test_a_detector_that_fires_at_random_has_the_recall_that_its_budget_pays_for() -> None:
    rng = np.random.default_rng(2)
    days = (SPANS.scored[0] + rng.integers(0, 350, 300)).tolist()
    told = truth(*((str(key), day, day) for key, day in enumerate(days)))
    found = score(noise(), SPANS, told, NO_TRAPS, ("S1",), (500.0, 2000.0))
    for budget, point in found.points.items():
        # An alert of the day itself or of the two days of slack after it is about the incident.
        share = 1 - (1 - budget / (300 * YEAR)) ** 3
        assert point.recall == pytest.approx(share, abs=4 * math.sqrt(share / 300))
        assert point.realised == pytest.approx(budget, rel=0.15)


def test_a_budget_that_is_overrun_scores_nought() -> None:
    def point(realised: float) -> Point:
        return Point(budget=1.0, least=3.0, incidents=4, caught=3, alerts=4, false=1, realised=realised)

    assert (point(1.25).recall, point(1.25).scored) == (0.75, 0.75)
    assert (point(1.26).recall, point(1.26).scored) == (0.75, 0.0)
    curve = [
        replace(point(0.1), budget=0.1),
        replace(point(2.0), budget=1.0),
        replace(point(10.0), budget=10.0),
    ]
    assert Scored({}, curve, 1.0).area == pytest.approx(0.375)
    assert area([0.1, 1.0], [0.0, 1.0]) == pytest.approx(0.5)


def test_a_miss_is_later_than_every_delay() -> None:
    assert censored_median([1, 2, None]) == 2
    assert math.isinf(censored_median([1, None, None]))


def test_a_finding_is_about_whom_it_names_at_the_time_or_whose_searches_fill_its_window() -> None:
    lines = (*(search(f"e{n}", 730_000 + n, "0", "u") for n in range(8)), search("x", 730_003, "1", "u"))
    known = truth(("1", 730_003, 730_004), lines=lines, ids=("x",))
    assert known.about(("requester", "1"), 730_006, 1) == {0}
    assert known.about(("requester", "1"), 730_007, 1) == set()
    assert known.about(("requester", "1"), 730_002, 28) == set()
    assert known.about(("requester", "0"), 730_003, 1) == set()
    assert known.about(("unit", "u"), 730_003, 1) == {0}
    assert known.about(("unit", "u"), 730_007, 8) == {0}
    assert Truth(known.labels, Log(lines, "UTC"), "UTC", 0.5).about(("unit", "u"), 730_007, 8) == set()


def test_a_case_counts_again_only_after_its_days() -> None:
    log = Log([search(f"e{n}", FIRST + day) for n, day in enumerate((0, 0, 5, 40))], "UTC")
    served = np.ones((1, 41), np.bool_)
    once, daily = log.counts("requester", ["0"], served, 28), log.counts("requester", ["0"], served)
    assert np.flatnonzero(once.cases[0]).tolist() == [0, 40]
    assert np.flatnonzero(daily.cases[0]).tolist() == [0, 5, 40]
    assert once.searches[0].sum() == 4


def counted(keys: int = 150, seed: int = 3) -> tuple[Counts, np.ndarray, list[tuple[str, int, int]]]:
    """Poisson counts with known means over three years, and bursts in the last."""
    rng = np.random.default_rng(seed)
    mean = np.repeat(rng.gamma(0.8, 0.3, keys)[:, None], 3 * YEAR, axis=1)
    cases = rng.poisson(mean)
    told = []
    for key in range(0, keys, 3):
        day = 2 * YEAR + int(rng.integers(0, 350))
        cases[key, day] += 2 + int(6 * math.sqrt(mean[key, day]))
        told.append((str(key), FIRST + day, FIRST + day))
    served = np.ones(cases.shape, np.bool_)
    return Counts("requester", tuple(map(str, range(keys))), FIRST, cases, cases, served), mean, told


def test_the_oracle_is_not_beaten_by_a_method_that_knows_less() -> None:
    counts, mean, told = counted()
    budgets = (5.0, 20.0, 60.0)

    def recall(baseline: Baseline, cases: np.ndarray) -> float:
        values = baseline.scores(cases, cases, counts.weekday, mean)
        found = of_scores(counts, values, (SPANS.honest, SPANS.scored))
        curve = score(found, SPANS, truth(*told), NO_TRAPS, ("S1",), budgets).curve
        return area([point.budget for point in curve], [point.recall for point in curve])

    best = recall(Oracle(), counts.cases)
    blind = recall(Oracle(), np.random.default_rng(4).permuted(counts.cases, axis=1))
    assert best > 0.6 > 0.3 > blind
    for baseline in OFFICERS:
        if not isinstance(baseline, HalfSpaceTrees):
            assert recall(baseline, counts.cases) <= best + 0.02


EACH = {one.name: one for one in (*OFFICERS, *SERIES)}


@pytest.mark.parametrize("baseline", EACH.values(), ids=EACH.keys())
def test_no_baseline_looks_ahead(baseline: Baseline) -> None:
    # Farrington takes seconds for each series.
    counts, mean, _ = counted(1 if isinstance(baseline, Farrington) else 20)
    later = counts.cases.copy()
    later[:, 700:] += 4
    try:
        before, after = (
            baseline.scores(cases, cases, counts.weekday, mean).value for cases in (counts.cases, later)
        )
    except Skipped as why:
        assert "not installed" in str(why)
        return
    assert np.array_equal(before[:, :700], after[:, :700])
    assert not np.array_equal(before[:, 700:], after[:, 700:])


def test_what_is_not_installed_is_skipped_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counts = np.ones((1, 500), np.int64)
    monkeypatch.setitem(sys.modules, "river.anomaly", None)
    with pytest.raises(Skipped, match="river is not installed"):
        HalfSpaceTrees().scores(counts, counts, counts[0], np.ones(counts.shape))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Skipped, match="Rscript is not installed"):
        Farrington().scores(counts, counts, counts[0], np.ones(counts.shape))


def test_farrington_reads_what_the_script_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counts = np.ones((2, 3), np.int64)
    script = tmp_path / "Rscript"

    def run(body: str) -> Callable[[], Scores]:
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        return lambda: Farrington().scores(counts, counts, counts[0], np.ones(counts.shape))

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    value = run("printf 'NA,1\\n0.5,0\\n1,0.25\\n' > \"$4\"")().value
    assert value.tolist() == [[0.0, -math.log(0.5), 0.0], [0.0, -math.log(1e-300), -math.log(0.25)]]
    with pytest.raises(Skipped, match="surveillance is not installed"):
        run("exit 3")()
    with pytest.raises(RuntimeError, match="no such series"):
        run("echo no such series >&2; exit 1")()


def test_uniform_p_values_have_ratios_of_one() -> None:
    tails = Tails()
    rng = np.random.default_rng(5)
    tails.add(np.full(200_000, 0.2), rng.random(200_000))
    tails.add(np.full(200_000, 2.0), rng.random(200_000) ** 2)
    (_, judged_, ratios, distance), (_, _, skewed, far) = tails.rows()
    assert judged_ == 200_000
    assert ratios[:2] == pytest.approx([1, 1], abs=0.2)
    assert distance < 0.01
    assert skewed[0] == pytest.approx(10, rel=0.1)
    assert far > 0.2


def test_the_picture_is_well_formed_and_names_every_line() -> None:
    drawn = panels(
        "x & y", "share", {"a < b": {"one & all": [(0.02, 0.1), (1, 0.9)], "two": [(0.02, 0), (1, 1)]}}
    )
    root = ElementTree.fromstring(drawn)
    words = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a < b", "x & y", "share", "one & all", "two", "0.02", "0.1", "1"} <= set(words)
    curves = [one for one in root.iter("{http://www.w3.org/2000/svg}path") if one.get("fill") == "none"]
    assert len(curves) == 2


def test_a_real_log_is_judged_by_user_and_as_one_series(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rng = np.random.default_rng(6)
    log = tmp_path / "log.csv"
    moments = [at(FIRST + int(day)).replace(tzinfo=None) for day in np.sort(rng.integers(0, 150, 2_000))]
    rows = [f"e{n},u{rng.integers(0, 30)},{moment}" for n, moment in enumerate(moments)]
    log.write_text("\n".join(["id,userId,searchDate", *rows]))
    monkeypatch.setenv("PATH", str(tmp_path))
    told = external.report(log, "UTC")
    assert "2,000 searches by 30 users in 150 days" in told
    assert "| tail ratio at 0.01 on the real log, all strata together | 0.4 to 1.5 |" in told
    assert "SKIPPED: Farrington Flexible: Rscript is not installed" in told


def test_seeds_are_single_ones_and_ranges() -> None:
    assert numbers(["0-2", "100"]) == [0, 1, 2, 100]


def test_every_stanza_with_an_alpha_is_opened_as_far_as_it_permits() -> None:
    stanzas = chosen(load(SHIPPED, SHIPPED, settings_types()))
    wide = {one.name.partition(":")[2]: one for one in opened(stanzas)}
    for stanza in stanzas:
        alpha = getattr(stanza.settings, "alpha", None)
        assert (stanza.name in wide) == (alpha is not None)
        if alpha is not None:
            assert (
                alpha <= getattr(wide[stanza.name].settings, "alpha", 0) == permitted(type(stanza.settings))
            )
