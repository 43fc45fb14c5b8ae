"""Incidents: what belongs together, whatever the order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from models.grouping import NEAR, Span, incidents

AT = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    found = []
    for number in range(draw(st.integers(0, 9))):
        start = AT + draw(st.integers(0, 40)) * DAY
        end = start + draw(st.integers(0, 9)) * DAY
        key = (draw(st.sampled_from(["lapd", None])), "requester", draw(st.sampled_from(["r-1", "r-2"])))
        found.append(Span(f"{number}", key, start, end, start + draw(st.integers(0, 3)) * DAY))
    return found


MERGES = st.lists(st.tuples(st.integers(0, 9).map(str), st.integers(0, 9).map(str)), max_size=3)


def plainly(found: list[Span], merges: list[tuple[str, str]]) -> dict[str, str]:
    """The same from the words of the definition: neighbours of neighbours, until nothing is added."""

    def near(one: Span, other: Span) -> bool:
        pair = (one.alert_id, other.alert_id)
        if pair in merges or pair[::-1] in merges:
            return True
        apart = max(one.window_start - other.window_end, other.window_start - one.window_end)
        return one.key == other.key and apart <= NEAR

    answer = {}
    for span in found:
        group, size = [span], 0
        while len(group) > size:
            size = len(group)
            group += [new for new in found if new not in group and any(near(new, old) for old in group)]
        answer[span.alert_id] = min(group, key=lambda one: (one.first_seen, one.alert_id)).alert_id
    return answer


@given(spans(), MERGES)
def test_incidents_are_what_the_definition_says(found: list[Span], merges: list[tuple[str, str]]) -> None:
    assert incidents(found, merges) == plainly(found, merges)


@given(spans(), MERGES, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(found: list[Span], merges: list[tuple[str, str]], random: object) -> None:
    shuffled = [*found]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert incidents(shuffled, merges[::-1]) == incidents(found, merges)


def test_seven_days_are_near_and_more_are_not() -> None:
    def at(number: int, day: int) -> Span:
        return Span(f"{number}", ("lapd", "unit", "u"), AT + day * DAY, AT + (day + 1) * DAY, AT + day * DAY)

    assert incidents([at(1, 0), at(2, 8)]) == {"1": "1", "2": "1"}
    assert incidents([at(1, 0), at(2, 9)]) == {"1": "1", "2": "2"}
    assert incidents([at(1, 0), at(2, 9), at(3, 5)]) == {"1": "1", "2": "1", "3": "1"}
