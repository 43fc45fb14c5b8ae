"""The book of alerts: who an alert is, what amends it, what withdraws it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.alert import MAX_EVIDENCE, Alert, Finding
from models.book import Book, Reporter

DAY = 86_400.0
START = 18_628 * DAY  # 2021-01-01
VOLUME = Reporter(name="volume", kind="anomaly", version=1, episode_days=7)
POLICY = Reporter(name="policy", kind="policy", version=1, episode_days=7)
LATENESS = 2 * DAY


def finding(day: int, *, entity: str = "officer", first: float = 0.5, **fields: Any) -> Finding:
    """A finding about the day; `first` is the fraction of it that passed before the first search."""
    start = START + day * DAY
    known: dict[str, Any] = {
        "window_start": start,
        "window_end": start + DAY,
        "first_seen": start + first * DAY,
        "severity": "medium",
        "explanation": f"{entity} on day {day}.",
        "evidence": (f"e{day}",),
        "p_value": 1e-6,
    }
    return Finding(entity_kind="requester", entity=entity, **{**known, **fields})


def note(book: Book, day: int, who: Reporter = VOLUME, **fields: Any) -> Alert | None:
    start = START + day * DAY
    return book.note(who, finding(day, **fields), start, start + 0.5 * DAY)


def close(book: Book, day: int, *found: Finding, who: Reporter = VOLUME) -> list[Alert]:
    """What the complete day gives, its end included."""
    start = START + day * DAY
    told = book.close(who, found, start, start + DAY, start + DAY + LATENESS)
    return told + book.end_day(start, start + DAY, who.episode_days)


def book() -> Book:
    return Book("lapd", "digest")


# --- identity ---


def test_the_same_finding_is_the_same_alert_and_any_difference_is_another() -> None:
    (alert,) = close(book(), 1, finding(1))
    assert close(book(), 1, finding(1)) == [alert]
    others = [
        *close(Book("lasd", "digest"), 1, finding(1)),
        *close(book(), 2, finding(2)),
        *close(book(), 1, finding(1, entity="other")),
        *close(book(), 1, finding(1, clause="clause")),
        *close(book(), 1, finding(1), who=POLICY),
    ]
    assert len({alert.alert_id, *(other.alert_id for other in others)}) == 6
    assert all(len(one.alert_id) == 32 and int(one.alert_id, 16) for one in others)


def test_parts_of_an_identity_cannot_be_pushed_into_each_other() -> None:
    (one,) = close(book(), 1, finding(1, entity="a", clause="bc"))
    (two,) = close(book(), 1, finding(1, entity="ab", clause="c"))
    assert one.alert_id != two.alert_id


def test_the_identity_hangs_on_the_day_and_not_on_the_window_that_told() -> None:
    told = note(book_ := book(), 3)
    week = finding(3, window_start=START - 3 * DAY)
    (final,) = close(book_, 3, week)
    assert told is not None and final.alert_id == told.alert_id
    assert (told.status, final.status) == ("provisional", "final")


# --- provisional, final, withdrawn ---


def test_a_confirmed_provisional_alert_becomes_final_under_its_id() -> None:
    book_ = book()
    told = note(book_, 1)
    assert told is not None and told.status == "provisional" and book_.open_alerts() == 1
    (final,) = close(book_, 1, finding(1, evidence=("e1", "e2")))
    assert (final.alert_id, final.status, final.evidence) == (told.alert_id, "final", ("e1", "e2"))
    assert final.decided_at.timestamp() == START + 2 * DAY + LATENESS
    assert book_.open_alerts() == 0


def test_an_alert_that_the_complete_day_does_not_bear_out_is_withdrawn_once() -> None:
    book_ = book()
    told = note(book_, 1)
    assert told is not None
    (gone,) = close(book_, 1)
    assert (gone.alert_id, gone.status) == (told.alert_id, "withdrawn")
    assert "withdrawn" in gone.explanation.lower() and told.explanation in gone.explanation
    assert close(book_, 2) == []


def test_an_open_day_is_told_once() -> None:
    book_ = book()
    assert note(book_, 1) is not None
    assert note(book_, 1) is None
    assert note(book_, 1, entity="other") is not None
    assert book_.open_alerts() == 2


def test_a_later_open_day_does_not_repeat_what_is_out_and_a_far_one_does() -> None:
    book_ = book()
    assert note(book_, 1) is not None
    assert note(book_, 1 + 8) is None
    assert note(book_, 1 + 9) is not None


def test_what_stands_under_another_alert_is_not_said_to_be_unsupported() -> None:
    # The fast lane told on day 8 what the closing of day 6, which came later, found to have begun
    # before. The provisional alert goes, because the matter stands under the older one.
    book_ = book()
    told = note(book_, 8)
    assert told is not None
    (final,) = close(book_, 6, finding(6))
    close(book_, 7, finding(7))
    records = close(book_, 8, finding(8))
    (gone,) = [one for one in records if one.alert_id == told.alert_id]
    assert gone.status == "withdrawn" and final.alert_id != told.alert_id
    assert "does not support it" not in gone.explanation
    assert final.alert_id in gone.explanation


# --- episodes ---


def test_a_finding_within_the_episode_amends_and_one_beyond_it_is_another_alert() -> None:
    book_ = book()
    (first,) = close(book_, 1, finding(1))
    (second,) = close(book_, 8, finding(8, severity="high", p_value=1e-9))
    assert (second.alert_id, second.status, second.severity) == (first.alert_id, "amended", "high")
    assert second.explanation == "officer on day 8."
    assert (second.window_start, second.first_seen) == (first.window_start, first.first_seen)
    assert second.decided_at == first.decided_at
    assert second.evidence == ("e1", "e8") and second.evidence_count == 2
    (third,) = close(book_, 17, finding(17))
    assert third.alert_id != first.alert_id and third.status == "final"


def test_a_weaker_finding_lengthens_the_window_and_keeps_the_stronger_words() -> None:
    book_ = book()
    close(book_, 1, finding(1, severity="critical", p_value=1e-15))
    (second,) = close(book_, 2, finding(2, p_value=1e-6))
    assert (second.severity, second.p_value, second.explanation) == ("critical", 1e-15, "officer on day 1.")
    assert second.window_end.timestamp() == START + 3 * DAY


def test_the_same_complete_finding_again_says_nothing() -> None:
    book_ = book()
    ongoing = finding(1, opened=START)
    assert len(close(book_, 1, ongoing)) == 1
    assert [one.status for one in close(book_, 1, ongoing)] == ["amended"]
    assert close(book_, 1, ongoing) == []


def test_evidence_is_capped_and_its_number_is_not() -> None:
    many = tuple(f"e{number}" for number in range(MAX_EVIDENCE + 30))
    (alert,) = close(book(), 1, finding(1, evidence=many))
    assert alert.evidence == many[:MAX_EVIDENCE] and alert.evidence_count == len(many)
    (counted,) = close(book(), 1, finding(1, evidence_count=500))
    assert counted.evidence_count == 500


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 2)), max_size=30))
def test_windows_of_alerts_about_one_entity_are_apart_by_more_than_an_episode(
    when: list[tuple[int, int]],
) -> None:
    book_ = book()
    standing: dict[str, Alert] = {}
    for day in range(1, 62):
        found = [finding(day, entity=f"officer-{who}") for who in sorted({w for d, w in when if d == day})]
        standing.update((one.alert_id, one) for one in close(book_, day, *found))
    for who in range(3):
        own = sorted(
            (a for a in standing.values() if a.entity == f"officer-{who}"), key=lambda a: a.window_start
        )
        days = sorted({d for d, w in when if w == who})
        assert sum(alert.evidence_count for alert in own) == len(days)
        for before, after in zip(own, own[1:], strict=False):
            assert (after.window_start - before.window_end).days >= VOLUME.episode_days


# --- policy ---


def test_a_breach_is_final_at_once_and_amended_when_the_day_holds_more() -> None:
    book_ = book()
    told = note(book_, 1, POLICY, clause="c", decided_at=START + 1.5 * DAY)
    assert told is not None and told.status == "final"
    both = finding(1, clause="c", evidence=("e1", "e1b"), decided_at=START + 1.5 * DAY)
    (more,) = close(book_, 1, both, who=POLICY)
    assert (more.alert_id, more.status, more.evidence_count) == (told.alert_id, "amended", 2)


def test_a_breach_that_the_closed_day_repeats_word_for_word_says_nothing_more() -> None:
    book_ = book()
    assert note(book_, 1, POLICY, clause="c", decided_at=START + 1.5 * DAY) is not None
    single = finding(1, clause="c", decided_at=START + 1.5 * DAY)
    assert close(book_, 1, single, who=POLICY) == []


def test_a_late_breach_stands_for_itself_whenever_and_however_often_it_comes() -> None:
    late = finding(1, clause="c", evidence=("late-1",))
    one = book().once(POLICY, late, START)
    busy = book()
    close(busy, 1, finding(1, clause="c"), who=POLICY)
    assert busy.once(POLICY, late, START) == one
    other = book().once(POLICY, finding(1, clause="c", evidence=("late-2",)), START)
    assert one.status == "final" and other.alert_id != one.alert_id


# --- state ---


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from("nc"), st.integers(0, 2)), max_size=25))
@example([(1, "n", 0), (1, "n", 1), (1, "n", 2), (15, "n", 0), (15, "n", 1), (16, "c", 0)])
def test_a_restored_book_goes_on_as_if_it_had_never_stopped(steps: list[tuple[int, str, int]]) -> None:
    whole, pieces = book(), book()
    for day, what, who in sorted(steps):
        fresh = book()
        fresh.restore(pieces.snapshot())
        pieces = fresh
        entity = f"officer-{who}"
        if what == "n":
            assert note(whole, day, entity=entity) == note(pieces, day, entity=entity)
        else:
            told = close(whole, day, finding(day, entity=entity))
            assert told == close(pieces, day, finding(day, entity=entity))
        assert whole.snapshot() == pieces.snapshot()


def test_old_episodes_are_forgotten_and_damaged_state_is_refused() -> None:
    book_ = book()
    close(book_, 1, finding(1))
    full = len(book_.snapshot())
    close(book_, 30)
    assert len(book_.snapshot()) < full / 4
    with pytest.raises(ValueError, match="book of alerts"):
        book_.restore(b"\x93garbage")
