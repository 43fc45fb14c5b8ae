"""The laws that every detector obeys, run over all that are found (see docs/architecture.md)."""

from __future__ import annotations

import math
import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.alert import decode_alert
from models.detectors import discover
from models.p_values import BOUNDS
from models.pipeline import Pipeline, Standing
from models.statistics import peers
from tests.logs import (
    DAY,
    LATENESS,
    SOURCES,
    START,
    Log,
    Plan,
    alerts_of,
    panel,
    reference,
    run,
    search,
    sensitive,
)

DETECTORS = sorted(discover())
#: How often each law is tried; whoever only wants to see that the battery runs takes fewer.
EXAMPLES = int(os.environ.get("LAW_EXAMPLES", "10"))
LAWS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(autouse=True, scope="module")
def small_forest() -> Iterator[None]:
    """A law that holds for a forest holds for one of a few trees, which grows in less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peers, "TREES", 8)
        yield


def maker(function: str, **more: object) -> Callable[[], Pipeline]:
    """Pipelines with one detector in sensitive settings."""
    return lambda: Pipeline(reference(SOURCES), panel(function, **more), "digest")


def some(agency: str, chance: Random) -> Plan:
    """A small log, described by a few numbers so that a counter-example can be read."""
    return Plan(
        agency=agency,
        rate=chance.randint(1, 4),
        burst_day=chance.randint(20, 39),
        quiet_from=chance.randint(15, 32),
        favourite=chance.randint(0, 3),
        missing=frozenset(chance.sample(range(10, 60), chance.randint(0, 3))),
        salt=chance.randint(0, 10_000),
    )


#: All laws are tried on these, so that what is said of one that is read as it comes is worked out once.
PLANS = {
    agency: [some(agency, Random(agency + str(n))) for n in range(10)] for agency in ("city", "elsewhere")
}


def plans(agency: str = "city") -> st.SearchStrategy[Plan]:
    """One of the small logs of an agency."""
    return st.sampled_from(PLANS[agency])


class Told(NamedTuple):
    """What a detector says of a log that is read in one go and in order."""

    messages: list[bytes]
    alerts: list[bytes]
    standing: Standing
    counts: Mapping[tuple[str, str], int]


@cache
def told(function: str, plan: Plan) -> Told:
    messages = Log(plan.searches(), 40).messages()
    pipeline, standing = maker(function)(), Standing()
    said = pipeline.feed(messages)
    standing.take(said)
    return Told(messages, alerts_of(said), standing, pipeline.counts)


@pytest.mark.parametrize("function", DETECTORS)
def test_the_battery_makes_every_detector_speak(function: str) -> None:
    # A law that never sees an alert proves nothing.
    spoken: list[bytes] = []

    @LAWS
    @given(plans())
    def collect(plan: Plan) -> None:
        spoken.extend(told(function, plan).alerts)

    collect()
    assert any(decode_alert(record).detector == function for record in spoken)


@pytest.mark.parametrize("function", DETECTORS)
@LAWS
@given(plan=plans(), splits=st.lists(st.integers(0, 10_000), max_size=12))
def test_same_input_in_any_batches_gives_the_same_alerts(
    function: str, plan: Plan, splits: list[int]
) -> None:
    whole = told(function, plan)
    parts, _ = run(whole.messages, maker(function), splits)
    assert alerts_of(parts) == whole.alerts


@pytest.mark.parametrize("function", DETECTORS)
@LAWS
@given(plan=plans(), data=st.data())
def test_any_order_within_the_lateness_gives_the_same_final_alerts(
    function: str, plan: Plan, data: st.DataObject
) -> None:
    chance = Random(data.draw(st.integers(0, 1_000_000), label="seed of the delays"))
    delays = [chance.uniform(0, LATENESS - 3600) for _ in plan.searches()]
    _, shuffled = run(Log(plan.searches(), 40, delays).messages(), maker(function))
    assert shuffled.lines() == told(function, plan).standing.lines()


@pytest.mark.parametrize("function", DETECTORS)
@LAWS
@given(plan=plans(), data=st.data())
def test_repeated_searches_change_nothing(function: str, plan: Plan, data: st.DataObject) -> None:
    once = told(function, plan)
    chance = Random(data.draw(st.integers(0, 1_000_000), label="seed of the repeats"))
    doubled: list[bytes] = []
    for message in once.messages:
        doubled += [message] * chance.choice([1, 1, 1, 2, 3])
    assert alerts_of(run(doubled, maker(function))[0]) == once.alerts


@pytest.mark.parametrize("function", DETECTORS)
@LAWS
@given(plan=plans(), cut=st.integers(1, 10_000), second=st.integers(1, 10_000))
def test_a_restart_at_any_point_changes_nothing(function: str, plan: Plan, cut: int, second: int) -> None:
    messages, expected, *_ = told(function, plan)
    places = sorted({0, cut % len(messages), second % len(messages), len(messages)})
    stored: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
    said: list[bytes] = []
    offset = packs = 0
    for begin, end in zip(places, places[1:], strict=False):
        pipeline = maker(function)()
        pipeline.ingest.restore(stored[0])
        pipeline.watch.restore(stored[1])
        pipeline.resume(offset, packs)
        for index in range(begin, end):
            said += alerts_of(pipeline.feed([messages[index]]))
            for stage, blocks in ((pipeline.ingest, stored[0]), (pipeline.watch, stored[1])):
                for name, block in stage.snapshot(full=False).items():
                    if block:
                        blocks[name] = block
                    else:
                        blocks.pop(name, None)
        # What was written bit by bit is what stands: nothing more, nothing less.
        assert stored[0] == pipeline.ingest.snapshot(full=True)
        assert stored[1] == pipeline.watch.snapshot(full=True)
        offset, packs = pipeline.position
    assert said == expected


@pytest.mark.parametrize("function", DETECTORS)
@LAWS
@given(plan=plans(), others=plans("elsewhere"))
def test_agencies_do_not_influence_each_other(function: str, plan: Plan, others: Plan) -> None:
    found, other = plan.searches(), others.searches()
    for one in other:
        one.source_id = "elsewhere-" + one.source_id
    _, together = run(Log(found + other, 40).messages(), maker(function))
    mine = [alert for alert in together.alerts() if "elsewhere" not in f"{alert.agency_id}{alert.entity}"]
    assert mine == told(function, plan).standing.alerts()


@pytest.mark.parametrize("function", DETECTORS)
def test_memory_per_key_stays_within_what_is_stated(function: str) -> None:
    # Two years of one small agency: state may hold its keys and the open days, nothing that grows.
    found = [
        search(
            day * DAY + 3600 * index,
            f"{day}-{index}",
            source_sequence=day * 20 + 2 * index,
            requester_id=f"r{index % 5}",
            subject_ref=f"s{(day * 3 + index) % 700}",
            case_number=f"c{day}",
            workstation_id=f"w{day}-{index}",
        )
        for day in range(730)
        for index in range(10)
    ]
    pipeline = maker(function)()
    standing = Standing()
    standing.take(pipeline.feed(Log(found, 730, ending=False).messages()))
    blocks = {**pipeline.ingest.snapshot(full=True), **pipeline.watch.snapshot(full=True)}
    size = sum(len(block) for name, block in blocks.items() if f"detector/{function}/" in name)
    keys = 5 + 1 + 700 * 5 if function == "repeat_subject" else 5 + 1 + 1
    assert size <= keys * discover()[function].bytes_per_key + 4096 * 64


@pytest.mark.parametrize("function", DETECTORS)
@LAWS
@given(plan=plans())
def test_no_anomaly_is_told_before_the_minimum_history(function: str, plan: Plan) -> None:
    chosen = sensitive(function)
    least = getattr(chosen.settings, "minimum_history_days", 0)
    found = plan.searches()
    first = min(one.event_time.timestamp() for one in found)
    for record in told(function, plan).alerts:
        alert = decode_alert(record)
        if alert.kind == "anomaly":
            assert alert.window_end.timestamp() >= first + (least - 1) * DAY


@pytest.mark.parametrize("function", DETECTORS)
@LAWS
@given(plan=plans())
def test_every_alert_names_its_evidence_and_explains_itself(function: str, plan: Plan) -> None:
    known = {one.event_id for one in plan.searches()}
    for record in told(function, plan).alerts:
        alert = decode_alert(record)
        assert alert.evidence and alert.evidence_count >= len(alert.evidence)
        assert set(alert.evidence) <= known
        assert alert.observed is not None and alert.expected is not None and alert.interval is not None
        assert alert.interval[0] <= alert.interval[1]
        assert alert.explanation.endswith(".")
        # observed, expected and the interval stand in the sentence
        assert re.search(r"\d.*\[[\d.,e+-]+-[\d.,e+-]+\]|\d+ \[0-0\]", alert.explanation), alert.explanation
        assert alert.window_start <= alert.first_seen <= alert.window_end
        assert alert.window_start.timestamp() >= START - 400 * DAY
        assert alert.window_start < alert.window_end
        # One plain sentence: a stop stands at its end alone. A withdrawal has one of its own before it.
        said = alert.explanation.rpartition("It said: ")[2]
        assert not re.search(r"[.?!] [A-Z]|\n", said), said
        if alert.detector in NO_CHANCE:
            assert alert.p_value is None and "p =" not in said
        else:
            assert alert.p_value is not None and 0 < alert.p_value <= 1
            assert alert.score == pytest.approx(-math.log(alert.p_value))
            assert re.search(r"; p = \d[\d.e-]*", said), said


#: A rule is broken or it is not, a number is missing or not, and a risk is a sum of what others found.
NO_CHANCE = {"policy_clause", "sequence_gap", "risk"}

#: Rules need no p-value; a silence is told while it lasts and counted when it is over, see test_silence.py;
#: the risk of a requester comes from what others found.
NOT_COUNTED = {"policy_clause", "sequence_gap", "silence", "risk"}


@pytest.mark.parametrize("function", sorted(set(DETECTORS) - NOT_COUNTED))
def test_the_histogram_of_p_values_holds_what_was_told(function: str) -> None:
    held: list[int] = []

    @LAWS
    @given(plans())
    def compare(plan: Plan) -> None:
        found = told(function, plan)
        counted = {
            int(label.rpartition("|")[2]): number
            for (name, label), number in found.counts.items()
            if name == "p_values"
        }
        for alert in found.standing.alerts():
            if alert.p_value is not None and alert.status != "provisional":
                place = bisect_left(BOUNDS, alert.p_value)
                held.append(sum(number for at, number in counted.items() if at <= place))

    compare()
    assert held and min(held) > 0
