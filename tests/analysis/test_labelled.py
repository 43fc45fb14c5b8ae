"""Findings of models held against labels: what is right, what nobody knows, and what was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from analysis.labels import Labels, disposed
from analysis.labels import dispositions as closed
from analysis.training.labelled import Row, Truth, held_against
from bench.dispositions import dispositions
from bench.evaluation import evaluate
from bench.labels import Label
from models.alert import Alert
from tests.analysis.test_comparison import BEGIN, alert

#: A Sunday, and the last of the weeks that are compared.
FIRST, LAST = "2024-03-03", "2024-04-28"
SUNDAYS = [
    (datetime.fromisoformat(FIRST) + timedelta(weeks=number)).date().isoformat() for number in range(9)
]


def label(who: str, first: str, days: int = 3, agency: str = "city") -> Label:
    start = datetime.fromisoformat(first).replace(tzinfo=UTC)
    return Label(
        incident=f"{who}-{first}", scenario="S1", level=1, kind="anomaly", title="", agency_id=agency,
        keys={"requester": (who,)}, event_ids=(), start=start, end=start + timedelta(days=days),
    )  # fmt: skip


def test_each_finding_is_right_wrong_or_unknown_and_each_incident_told_or_not() -> None:
    known = Labels(
        incidents=(
            label("a", "2024-02-20"), label("b", "2024-04-01"), label("c", "2024-03-20"),
            # Before the weeks that are compared, after them, and elsewhere: none of it is due.
            label("d", "2023-12-01"), label("d", "2024-05-20"), label("e", "2024-03-20", agency="other"),
        ),
        traps=(label("f", "2024-03-20"),),
    )  # fmt: skip
    told: set[Row] = {
        ("city", "2024-03-17", "a"),  # four weeks to 17 March hold 20 February
        ("city", "2024-03-24", "b"),  # before it began
        ("city", "2024-04-07", "f"),
        ("city", "2024-04-07", "e"),
    }
    found = held_against(Truth(known, complete=False), told, FIRST, LAST)
    assert found.precision[:2] == (1, 2) and found.unknown == 2
    # The one of the other agency is due there as well.
    assert found.recall[:2] == (1, 4)
    whole = held_against(Truth(known, complete=True), told, FIRST, LAST)
    assert whole.precision[:2] == (1, 4) and whole.unknown == 0 and whole.recall == found.recall


people = st.sampled_from("abc")
rows = st.sets(st.tuples(st.just("city"), st.sampled_from(SUNDAYS), people), max_size=12)
labels = st.lists(st.builds(label, people, st.sampled_from(SUNDAYS), st.integers(0, 20)), max_size=6)


@given(rows, labels, labels, st.booleans())
def test_who_tells_more_misses_no_more(
    told: set[Row], known: list[Label], traps: list[Label], all_: bool
) -> None:
    truth = Truth(Labels(tuple(known), tuple(traps)), complete=all_)
    found = held_against(truth, told, FIRST, LAST)
    assert found.precision.number + found.unknown == len(told) and not (all_ and found.unknown)
    for one in told:
        fewer = held_against(truth, told - {one}, FIRST, LAST)
        assert fewer.recall.hits <= found.recall.hits and fewer.recall.number == found.recall.number


@given(st.lists(st.tuples(people, st.integers(0, 40), st.sampled_from(["medium", "high"])), max_size=8))
def test_who_knows_the_labels_closes_every_alert_by_them(given_: list[tuple[str, int, str]]) -> None:
    made = {one.alert_id: one for one in (alert(who, day, severity=how) for who, day, how in given_)}
    alerts: list[Alert] = list(made.values())
    truth = [label("a", f"{BEGIN + timedelta(days=5):%Y-%m-%d}", 10)]
    evaluation = evaluate(alerts, truth)
    what = closed(alerts, dispositions(alerts, evaluation))
    assert what.keys() == made.keys()
    about = {one for told in evaluation.told for one in told.alerts}
    assert {name for name, one in what.items() if one == "confirmed"} == about
    assert len(disposed(alerts, what).traps) == len(alerts) - len(about)
    # What lies outside the span that was evaluated is left open.
    last = BEGIN + timedelta(days=20)
    some = closed(alerts, dispositions(alerts, evaluate(alerts, truth, last=last), last=last))
    assert some.keys() == {one.alert_id for one in alerts if one.window_end < last}
