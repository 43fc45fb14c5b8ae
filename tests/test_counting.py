"""The series that workers export: what they count, that they are bounded, and that they name nobody."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse

from models.alert import encode_alert
from models.p_values import BOUNDS
from models.stage import Message, Output
from streams import counting
from streams.counting import Bounded, count_batch, exposition, show_figures, show_open
from tests.test_alertmanager import alert

REQUESTERS = 100_000
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    counting.declare(["lapd", "*"], ["feed"], {"volume": 1e-4})
    yield
    counting.declare([], [], {})


def series() -> dict[str, float]:
    rows = (line.rsplit(" ", 1) for line in exposition()[0].decode().splitlines() if line[0] != "#")
    return {name: float(value) for name, value in rows}


def told(number: int, **changes: object) -> Output:
    one = msgspec.structs.replace(alert(number), **changes)
    return Output([Message("alerts", one.alert_id.encode(), encode_alert(one))], {("judged", ""): 1})


def test_a_hundred_thousand_requesters_add_no_series() -> None:
    count_batch("watch", told(0), 1, 0.1, 0.2)
    before = series().keys()
    for number in range(REQUESTERS // 1000):
        output = Output(counts={("judged", ""): 1000})
        for place in range(1000):
            person = f"officer-{number * 1000 + place}"
            output.messages += told(
                number * 1000 + place, entity=person, agency_id=f"unheard-{place}"
            ).messages
        count_batch("watch", output, 1000, 0.1, 0.2)
    after = series()
    assert {name for name in after.keys() - before if 'agency="other"' not in name} == set()
    assert len(after) - len(before) == 1
    assert not re.search(r"officer-|unheard", " ".join(after))


def test_units_and_agencies_are_shown_up_to_a_bound() -> None:
    figures = {("unit_observed", f"lapd|volume|unit-{number}"): 1.0 for number in range(5_000)}
    figures |= {("unit_observed", f"nowhere|volume|unit-{number}"): 1.0 for number in range(9)}
    show_figures("watch", 0, figures, 0.0)
    shown = [name for name in series() if name.startswith("probewatch_unit_observed{")]
    assert 0 < len(shown) <= counting.MOST_UNITS
    assert not any("nowhere" in name for name in shown)


def test_only_values_that_are_declared_or_came_first_are_shown() -> None:
    label = Bounded(2, ["a"])
    assert [label(value) for value in ("a", "b", "c", "b", None, "")] == [
        "a",
        "b",
        "other",
        "b",
        "other",
        "other",
    ]


def test_what_a_scrape_sees_adds_up_while_batches_are_counted() -> None:
    """The rule `probewatch:unaccounted:records`, seen from another thread as Prometheus does."""
    stop = threading.Event()
    batch = Output(counts={("accepted", ""): 5, ("late", ""): 1, ("duplicate", ""): 2, ("ticks", ""): 1,
                           ("refused", "wrong_type"): 3})  # fmt: skip

    def work() -> None:
        while not stop.is_set():
            count_batch("ingest", batch, 12, 0.01, 0.01)

    before = unaccounted()
    thread = threading.Thread(target=work)
    thread.start()
    seen = [unaccounted() for _ in range(20)]
    stop.set()
    thread.join()
    assert set(seen) == {before}


def unaccounted() -> float:
    found = series()
    parts = ("searches_accepted", "searches_late", "searches_duplicate", "searches_refused")
    named = tuple(f"probewatch_{part}_total" for part in parts)
    known = sum(value for name, value in found.items() if name.startswith(named))
    ticks = found.get('probewatch_ticks_total{agent="ingest"}', 0.0)
    return found.get('probewatch_records_consumed_total{agent="ingest"}', 0.0) - known - ticks


def test_an_alert_can_be_found_from_its_count() -> None:
    """OpenMetrics carries the identity of the last alert as an exemplar; the plain text format cannot."""
    count_batch("watch", told(77), 1, 0.1, 0.2)
    page, kind = exposition(OPENMETRICS)
    assert kind.startswith("application/openmetrics-text")
    families = parse(page.decode())  # type: ignore[no-untyped-call]
    (family,) = (one for one in families if one.name == "probewatch_alerts")
    told_of = {s.exemplar.labels["alert_id"] for s in family.samples if s.exemplar}
    assert alert(77).alert_id in told_of
    plain, kind = exposition()
    assert kind.startswith("text/plain") and b"# {alert_id" not in plain


def test_every_search_of_a_batch_counts_with_the_delay_of_the_oldest() -> None:
    before = series()
    count_batch("watch", Output(counts={("judged", ""): 40}), 2, 0.1, 4.0)
    count_batch("watch", Output(counts={("judged", ""): 10}), 1, 0.1, 7.0)
    count_batch("watch", Output(counts={("judged", ""): 5}), 1, 0.1, None)
    after = series()

    def grown(name: str) -> float:
        return (
            after[f"probewatch_judged_delay_seconds_{name}"]
            - before[f"probewatch_judged_delay_seconds_{name}"]
        )

    assert (grown('bucket{le="2.5"}'), grown('bucket{le="5.0"}'), grown("count")) == (0, 40, 50)
    assert grown("sum") == pytest.approx(230)


def test_p_values_come_as_a_histogram_of_each_detector() -> None:
    place = BOUNDS.index(1e-3)
    count_batch(
        "watch", Output(counts={("p_values", f"volume|{place}"): 7, ("p_values", "volume|8"): 93}), 1, 0, 0
    )
    found = series()
    assert found['probewatch_p_value_bucket{detector="volume",le="0.0001"}'] == 0
    assert found['probewatch_p_value_bucket{detector="volume",le="0.001"}'] == 7
    assert found['probewatch_p_value_count{detector="volume"}'] == 100
    assert found['probewatch_detector_alpha_ratio{detector="volume"}'] == 1e-4


def test_open_alerts_are_those_of_the_partitions_at_hand() -> None:
    show_open([[alert(1), alert(2)], [alert(3, severity="low")]])
    shown = {name: value for name, value in series().items() if name.startswith("probewatch_open_alerts{")}
    assert sorted(shown.values()) == [1, 2]
    show_open([])
    assert not [name for name in series() if name.startswith("probewatch_open_alerts{")]


def test_declared_sources_are_there_before_they_report() -> None:
    assert series()['probewatch_source_declared{source="feed"}'] == 1
    now = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    figures = {("watermark", "feed"): now - 9, ("latest", "feed"): now - 2, ("sources", ""): 1.0}
    show_figures("ingest", 3, figures, now)
    found = series()
    assert found['probewatch_source_latest_timestamp_seconds{source="feed"}'] == now - 2
    assert found['probewatch_watermark_age_seconds{agent="ingest",partition="3"}'] == 9
    counting.forget_partition("ingest", 3)
    assert not [name for name in series() if name.startswith("probewatch_source_latest")]
