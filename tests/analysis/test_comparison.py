"""Two sets of alerts, shares with intervals, weeks: laws that hold for any of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from models.alert import Alert, alert_id
from models.analysis.comparison import Comparison, compare, overlap
from models.analysis.precision import share
from models.analysis.weekly import week_of, weekly, weeks_between

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def alert(entity: str, opened: int, days: int = 3, severity: str = "medium", digest: str = "a") -> Alert:
    start, end = BEGIN + timedelta(days=opened), BEGIN + timedelta(days=opened + days)
    return Alert(
        alert_id=alert_id("volume", "city", entity, None, float(opened)), detector="volume", kind="anomaly",
        entity_kind="requester", entity=entity, agency_id="city", unit_id="u1", window_start=start,
        window_end=end, first_seen=start, decided_at=end, status="final", severity=severity,  # type: ignore[arg-type]
        p_value=1e-6, score=13.8, observed=9.0, expected=1.0, interval=(0.0, 4.0), clause=None,
        evidence=("e",), evidence_count=1, explanation="More than usual.", detector_version=1,
        config_digest=digest,
    )  # fmt: skip


def alerts(digest: str) -> st.SearchStrategy[list[Alert]]:
    made = st.builds(
        alert, st.sampled_from("xyz"), st.integers(0, 20), st.integers(1, 6),
        st.sampled_from(["medium", "high"]), st.just(digest),
    )  # fmt: skip
    return st.lists(made, max_size=12, unique_by=lambda one: one.alert_id)


def sizes(found: Comparison) -> tuple[int, int, int, int, int]:
    return len(found.new), len(found.gone), len(found.moved), len(found.changed), len(found.same)


@given(alerts("a"), alerts("b"))
def test_each_alert_is_told_once_and_the_other_way_round_is_the_mirror(
    before: list[Alert], after: list[Alert]
) -> None:
    found, back = compare(before, after), compare(after, before)
    new, gone, moved, changed, same = sizes(found)
    assert new + moved + changed + same == len(after)
    assert gone + moved + changed + same == len(before)
    assert sizes(back)[0] == gone and sizes(back)[1] == new
    for pair in found.moved:
        assert pair.before.alert_id != pair.after.alert_id and overlap(*pair)
        assert pair.before.entity == pair.after.entity
    for one in found.gone:
        # Whatever could be its partner has one already.
        taken = {pair.after.alert_id for pair in found.moved}
        near = [other for other in found.new if other.entity == one.entity and overlap(one, other)]
        assert not [other for other in near if other.alert_id not in taken]


@given(alerts("a"))
def test_the_name_of_the_configuration_makes_no_difference(before: list[Alert]) -> None:
    after = [alert(one.entity, (one.window_start - BEGIN).days, (one.window_end - one.window_start).days,
                   one.severity, "other") for one in before]  # fmt: skip
    assert sizes(compare(before, after)) == (0, 0, 0, 0, len(before))


def test_what_moved_and_what_changed() -> None:
    found = compare(
        [alert("x", 0), alert("y", 0), alert("z", 0)],
        [alert("x", 2), alert("y", 0, severity="high"), alert("z", 9)],
    )
    assert sizes(found) == (1, 1, 1, 1, 0)
    assert found.moved[0].before.entity == "x" and found.changed[0].after.severity == "high"
    assert found.new[0].entity == found.gone[0].entity == "z"


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_interval_holds_the_share_and_shrinks_with_more(hits: int, misses: int) -> None:
    found = share(hits, hits + misses)
    assert 0 <= found.low <= found.high <= 1
    assert found.value is None or found.low <= found.value <= found.high
    more = share(hits * 4, (hits + misses) * 4)
    assert hits + misses == 0 or more.high - more.low < found.high - found.low


@pytest.mark.parametrize("truth", [0.05, 0.3, 0.5, 0.8])
def test_the_interval_covers_what_it_promises_on_the_whole(truth: float) -> None:
    covered = [
        sum(binom.pmf(k, n, truth) for k in range(n + 1) if share(k, n).low <= truth <= share(k, n).high)
        for n in range(10, 41)
    ]
    assert 0.93 <= sum(covered) / len(covered) <= 0.975


def test_more_hits_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="3 hits of 2"):
        share(3, 2)


@given(alerts("a"))
def test_weeks_add_up_to_the_alerts(found: list[Alert]) -> None:
    counted = weekly(found)
    assert sum(one.alerts for one in counted) == len(found)
    assert all(one.week.weekday() == 0 for one in counted)
    if found:
        weeks = [week_of(one.decided_at) for one in found]
        between = weeks_between(min(weeks), max(weeks))
        assert set(weeks) <= set(between) and len(set(between)) == len(between)
