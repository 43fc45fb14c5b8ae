"""The first stage: every message becomes exactly one thing, and nothing is lost on the way."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decoding import decode
from models.ingest import KEPT_BYTES
from models.pipeline import Pipeline, Standing
from models.search import Refusal, Search, encode_search
from tests.ingesting import accounted, letters, number, packs, stage, take, tick
from tests.logs import DAY, LATENESS, START, reference, search, sensitive

HOUR = 3600.0


def encoded(searches: Sequence[Search]) -> list[bytes]:
    return [encode_search(one) for one in searches]


# --- conservation ---

GARBAGE = st.binary(max_size=40) | st.sampled_from(
    [
        b"{}",
        b"null",
        b'{"tick":1}',
        b'{"tick":"2021-03-01T00:00:00"}',
        b'{"specversion":"1.0"}',
        b"[" * 70_000,
    ]
)
SEARCHES = st.builds(
    lambda hours, name, source, who: encode_search(
        search(hours * HOUR, f"e{name}", source_id=source, requester_id=f"r{who}")
    ),
    st.integers(0, 600),
    st.integers(0, 12),
    st.sampled_from(["feed", "mobile", "new"]),
    st.integers(0, 1),
)
TICKS = st.builds(tick, st.integers(0, 25), st.sampled_from([None, "feed", "other"]), end=st.booleans())
MESSAGES = st.lists(GARBAGE | SEARCHES | SEARCHES | TICKS, max_size=60)


@given(MESSAGES, st.lists(st.integers(0, 60), max_size=4))
def test_every_message_becomes_exactly_one_thing(messages: list[bytes], cuts: Sequence[int]) -> None:
    one = stage()
    places = sorted({0, len(messages), *(cut for cut in cuts if cut < len(messages))})
    outputs = [
        take(one, *messages[begin:end], offset=begin)
        for begin, end in zip(places, places[1:], strict=False)
    ]  # fmt: skip
    assert sum(map(accounted, outputs)) == len(messages)
    taken = [offset for output in outputs for pack in packs(output) for offset in pack.offsets]
    dead = [letter.source_offset for output in outputs for letter in letters(output)]
    late = sum(number(output, "late") for output in outputs)
    assert len(set(taken)) == len(taken) == sum(number(output, "accepted") for output in outputs) + late
    assert len(set(dead)) == len(dead) == sum(number(output, "refused") for output in outputs)
    assert not set(taken) & set(dead)
    assert sum(one.topic == "searches.late" for output in outputs for one in output.messages) == late


# --- dead letters ---


@given(st.binary(max_size=80) | st.text(max_size=30).map(str.encode))
def test_a_dead_letter_carries_the_original_bytes(value: bytes) -> None:
    output = take(stage(), value, offset=41)
    assert isinstance(decode(value, None), Refusal)
    (letter,) = letters(output)
    assert b64decode(letter.payload_base64) == value
    assert (letter.source_topic, letter.source_partition, letter.source_offset) == ("searches.raw", 0, 41)
    assert (letter.size, letter.payload_complete) == (len(value), True)
    assert letter.reason and letter.detail


def test_a_dead_letter_of_a_huge_message_says_that_it_is_cut() -> None:
    value = b'"' + b"x" * 10_000_000 + b'"'
    output = take(stage(partition=3), value, offset=2**40)
    (letter,) = letters(output)
    assert letter.reason == "too_large" and letter.size == len(value) and not letter.payload_complete
    assert b64decode(letter.payload_base64) == value[:KEPT_BYTES]
    assert (letter.source_partition, letter.source_offset) == (3, 2**40)
    (message,) = output.messages
    assert message.key == f"3/{2**40}".encode()


def test_a_search_of_tomorrow_is_refused_when_its_arrival_is_known() -> None:
    output = take(stage(), search(2 * DAY, "e1"), arrival=START)
    assert [letter.reason for letter in letters(output)] == ["clock_ahead"]
    assert number(take(stage(), search(2 * DAY, "e1")), "accepted") == 1


# --- repeats ---


def test_a_repeat_is_dropped_and_a_forgery_under_a_known_id_is_refused() -> None:
    one, first = stage(), search(0.0, "e1", source_sequence=1)
    assert number(take(one, first), "accepted") == 1
    # A resend may bear another sequence number and time of arrival.
    assert number(take(one, search(0.0, "e1", source_sequence=9), offset=1), "duplicate") == 1
    for changed in ({"requester_id": "r9"}, {"subject_ref": "s9"}, {"tool": "other"}, {"purpose": "p9"}):
        output = take(one, search(0.0, "e1", **changed), offset=2)
        assert [letter.reason for letter in letters(output)] == ["conflicting_duplicate"]
    output = take(one, search(HOUR, "e1"), offset=3)
    assert [letter.reason for letter in letters(output)] == ["conflicting_duplicate"]
    assert packs(output) == []


def test_two_sources_may_use_the_same_ids() -> None:
    output = take(stage(), search(0.0, "e1"), search(0.0, "e1", source_id="mobile"))
    assert number(output, "accepted") == 2


# --- time ---


def test_one_wrong_clock_makes_no_other_late_and_closes_nothing() -> None:
    one = stage()
    wrong = search(300 * DAY, "wrong")
    output = take(
        one, search(0.0, "e1"), search(HOUR, "e2"), wrong, search(2 * HOUR, "e3"), search(DAY, "e4")
    )
    assert (number(output, "accepted"), number(output, "late")) == (5, 0)
    marks = [at for pack in packs(output) for _, _, at in pack.marks]
    assert all(at <= START + DAY - LATENESS for at in marks)


def test_a_search_older_than_the_watermark_is_late_passed_on_and_kept() -> None:
    one = stage()
    output = take(one, search(10 * DAY, "e1"), search(10 * DAY + 1, "e2"), search(DAY, "old"))
    assert (number(output, "accepted"), number(output, "late")) == (2, 1)
    (pack,) = packs(output)
    assert [pack.searches.event_ids[index] for index in pack.late] == ["old"]
    (kept,) = [message for message in output.messages if message.topic == "searches.late"]
    assert isinstance(found := decode(kept.value, None), Search) and found.event_id == "old"


def test_a_late_search_is_still_judged_by_policy_and_by_nothing_else() -> None:
    pipeline = Pipeline(
        reference(["feed"]), [sensitive("policy_clause"), sensitive("repeat_subject")], "digest"
    )
    standing = Standing()
    old = [search(15 * DAY + n, f"old-{n}", tool="banned", subject_ref="pet") for n in range(3)]
    fresh = [search(40 * DAY, "e1"), search(40 * DAY + 1, "e2")]
    standing.take(pipeline.feed([encode_search(one) for one in (*fresh, *old)]))
    standing.take(pipeline.feed([tick(60, end=True)]))
    assert pipeline.counts["late", ""] == 3
    found = standing.alerts()
    assert [(alert.detector, alert.evidence) for alert in found] == [
        ("policy_clause", (one.event_id,)) for one in sorted(old, key=lambda one: one.event_time)
    ]
    assert {alert.status for alert in found} == {"final"}
    again = pipeline.feed([encode_search(one) for one in old])
    standing.take(again)
    assert standing.alerts() == found, "a repeated late breach is the same alert"


def test_a_tick_for_all_moves_only_who_lives_or_has_long_been_silent() -> None:
    one = stage(reference(["feed"]))
    take(one, search(0.0, "e1"), search(0.0, "m1", source_id="mobile"), tick(300, None))
    # last year's log is loaded under a clock of today: it must not be late at once
    assert number(take(one, search(HOUR, "e2"), offset=3), "accepted") == 1
    assert number(take(one, search(HOUR, "m2", source_id="mobile"), offset=4), "accepted") == 1
    # it goes on for days, and then nothing comes: time passes it, or it would hold all windows open
    take(one, *(tick(300 + day, None) for day in range(6)), offset=5)
    assert number(take(one, search(2 * HOUR, "e3"), offset=11), "late") == 1
    # a source that is alive has its idle time, counted from now
    living = stage(reference(["feed"]))
    take(living, search(300 * DAY, "e1"), tick(300, None), tick(310, None))
    assert number(take(living, search(305 * DAY, "e2"), offset=3), "late") == 1


def test_an_old_file_with_its_own_ticks_is_loaded_under_a_clock_of_today() -> None:
    """What `produce` sends to workers that send the time: each ticks in its own century."""
    one = stage(reference(["feed"]))
    accepted = late = 0
    for day in range(30):
        output = take(
            one,
            search(day * DAY, f"e{day}"),
            tick(day + 0.5),
            tick(400 + day / 1440, None),
            offset=3 * day,
        )
        accepted += number(output, "accepted")
        late += number(output, "late")
    assert (accepted, late) == (30, 0)
    # its own ticks close its days, whatever the clock says
    assert one.gauges()["watermark", "feed"] < START + 30 * DAY
    assert one.gauges()["watermark", "feed"] >= START + 24 * DAY


def test_a_search_of_a_source_nobody_knows_holds_no_windows_open() -> None:
    searches = [search(day * DAY, f"e{day}") for day in range(30)]
    through = Pipeline(reference(["feed"]), [sensitive("repeat_subject")], "d")
    through.feed(encoded(searches[:2]))
    through.feed(encoded([search(DAY, "typo", source_id="fede")]))
    for day in range(2, 30):
        through.feed([tick(day, None), *encoded([searches[day]])])
    assert through.watch.gauges()["open_searches", ""] <= 6


def test_a_log_that_is_sent_again_raises_no_second_alert() -> None:
    searches = [search(day * DAY, f"e{day}", tool="banned" if day == 20 else "lacris") for day in range(30)]
    through = Pipeline(reference(["feed"]), [sensitive("policy_clause")], "d")
    standing = Standing()
    for _ in range(3):
        standing.take(through.feed([*encoded(searches), tick(42, end=True)]))
    assert [alert.evidence for alert in standing.alerts()] == [("e20",)]
    counts = {name: through.counts.get((name, ""), 0) for name in ("accepted", "late", "duplicate")}
    assert sum(counts.values()) == 90 and counts["accepted"] == 30


def test_nobody_answers_for_another_whose_search_has_the_same_id() -> None:
    searches = [
        search(20 * DAY, "1", source_id="feed", requester_id="innocent"),
        search(20 * DAY + 1, "1", source_id="mobile", requester_id="guilty", tool="banned"),
    ]
    through = Pipeline(reference(["feed", "mobile"]), [sensitive("policy_clause")], "d")
    standing = Standing()
    standing.take(through.feed([*encoded(searches), *(tick(40, s, end=True) for s in ("feed", "mobile"))]))
    assert [alert.entity for alert in standing.alerts()] == ["guilty"]


def test_two_equal_wrong_clocks_close_nothing() -> None:
    one = stage()
    wrong = [search(3000 * DAY, f"w{n}") for n in range(2)]
    assert number(take(one, search(0.0, "e1"), *wrong, search(HOUR, "e2")), "accepted") == 4


def test_a_tick_cannot_name_a_source_with_a_control_character() -> None:
    output = take(stage(), tick(3, "a\0b"))
    assert output.counts == {("refused", "control_character"): 1}


# --- sequence numbers ---


def test_a_counter_that_starts_again_in_mid_day_is_no_gap() -> None:
    numbers = (48_999, 49_000, 49_001, 1, 2, 3)
    values = [search(n * HOUR, f"e{n}", source_sequence=number) for n, number in enumerate(numbers)]
    output = take(stage(), *values, tick(20, end=True))
    assert not [message for message in output.messages if message.topic == "alerts"]


def test_a_gap_that_fills_up_is_not_told_and_one_that_stays_is() -> None:
    def told(*numbers: int) -> list[str]:
        one = stage()
        values = [search(n * HOUR, f"e{n}", source_sequence=n) for n in numbers]
        output = take(one, *values, tick(20, end=True))
        standing = Standing()
        standing.take(output.messages)
        return [alert.explanation for alert in standing.alerts()]

    assert told(1, 2, 3, 4) == []
    assert told(1, 4, 3, 2) == []
    assert told(4, 1, 3, 2) == []
    (alone,) = told(1, 2, 4)
    assert "1 record missing" in alone and "number 3" in alone
    (run,) = told(1, 7)
    assert "5 records missing" in run and "numbers 2 to 6" in run
    assert len(told(1, 3, 5)) == 2


# --- state ---


@given(MESSAGES, st.integers(0, 60))
def test_a_restored_stage_goes_on_as_if_it_had_never_stopped(messages: list[bytes], cut: int) -> None:
    cut = min(cut, len(messages))
    whole, first, second = stage(), stage(), stage()
    take(whole, *messages[:cut])
    take(first, *messages[:cut])
    second.restore(first.snapshot(full=True))
    assert second.snapshot(full=True) == first.snapshot(full=True)
    expected = take(whole, *messages[cut:], offset=cut)
    found = take(second, *messages[cut:], offset=cut)
    assert (found.messages, found.counts) == (expected.messages, expected.counts)
    assert second.snapshot(full=True) == whole.snapshot(full=True)
    assert second.gauges() == whole.gauges()


@pytest.mark.parametrize("name", ["agency/city", "sauce/feed", ""])
def test_foreign_state_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="none of the ingest stage's"):
        stage().restore({name: b""})


def test_damaged_state_is_refused_by_name() -> None:
    one = stage()
    take(one, search(0.0, "e1"))
    blocks = one.snapshot(full=True)
    for name in blocks:
        with pytest.raises(ValueError, match=r"feed|registry|book|sequence_gap"):
            stage().restore({**blocks, name: b"\xc1damaged"})
