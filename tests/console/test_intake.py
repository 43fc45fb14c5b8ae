"""What arrives stands in the store once, whatever is repeated or begun again; a rebuild gives the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from console.intake.taking import Taken, take
from console.storage import ledger, standing
from console.storage.engine import Store, make_engine
from console.storage.tables import AlertRow, DecisionRow, Merge, Offset, RefusalRow, SearchRow
from console.work.deciding import decide
from models.alert import Alert, decode_alert, encode_alert
from models.decisions import Action, NotAllowed, undoable
from models.ledger import verify
from models.packing import Packing, encode_pack
from tests.console.alerts import AT, DAY, alert, search, versions


@contextmanager
def copied(template: Path) -> Iterator[Store]:
    """An empty store in memory, for one example of a law."""
    store = Store(make_engine("sqlite://"))
    into = store.engine.raw_connection()
    with closing(sqlite3.connect(template)) as whole:
        whole.backup(into.driver_connection)  # type: ignore[arg-type]
    into.close()
    try:
        yield store
    finally:
        store.close()


def rows(store: Store, table: type[Any], *but: str) -> list[tuple[Any, ...]]:
    """All rows of a table, in an order of their own."""
    names = [column.key for column in table.__table__.columns if column.key not in but]
    with store.reading() as session:
        found = [tuple(getattr(row, name) for name in names) for row in session.scalars(select(table))]
    return sorted(found, key=repr)


def taken(alerts: list[Alert]) -> list[Taken]:
    return [Taken("alerts", 0, number, encode_alert(one)) for number, one in enumerate(alerts)]


def whole(store: Store) -> dict[str, object]:
    tables = (AlertRow, DecisionRow, Merge, Offset, SearchRow, RefusalRow)
    return {table.__tablename__: rows(store, table) for table in tables}


@settings(max_examples=25)
@given(st.lists(versions(), max_size=12), st.data())
def test_repeats_and_restarts_at_any_point_change_nothing(
    template: Path, alerts: list[Alert], data: st.DataObject
) -> None:
    records = taken(alerts)
    with copied(template) as one, copied(template) as other:
        with one.writing() as session:
            take(session, records, AT)
        at = deaths = 0
        while at < len(records):
            # Kafka gives again what we had, and the transaction may be lost with the process.
            begin = data.draw(st.integers(0, at), label="read again from")
            end = data.draw(st.integers(at + 1, len(records)), label="to")
            dies = deaths < 3 and data.draw(st.booleans(), label="dies before the commit")
            deaths += dies
            try:
                with other.writing() as session:
                    take(session, records[begin:end], AT)
                    if dies:
                        raise InterruptedError
            except InterruptedError:
                continue
            at = end
        assert whole(one) == whole(other)
        with one.reading() as session, other.reading() as beside:
            assert [*ledger.export(session)] == [*ledger.export(beside)]


@settings(max_examples=25)
@given(st.lists(versions(), min_size=1, max_size=10), st.data())
def test_a_rebuilt_store_equals_the_old_one(template: Path, alerts: list[Alert], data: st.DataObject) -> None:
    with copied(template) as store:
        now = AT
        for record in taken(alerts):
            now += timedelta(hours=1)
            with store.writing() as session:
                take(session, [record], now)
            with store.writing() as session:
                work(session, now, data)
        before = whole(store)
        with store.writing() as session:
            standing.rebuild(session)
        assert whole(store) == before
        with store.reading() as session:
            lines = [*ledger.export(session)]
            assert not verify(lines, ledger.head(session).digest).faults


def work(session: Any, now: Any, data: st.DataObject) -> None:
    """Perhaps a decision about any alert that is there."""
    ids = sorted(session.scalars(select(AlertRow.alert_id)))
    action: Action = data.draw(
        st.sampled_from(["acknowledge", "dispose", "confirm", "snooze", "merge", "undo", "comment"])
    )
    about = data.draw(st.sampled_from(ids))
    fields: dict[str, Any] = {"text": "because"}
    if action == "dispose":
        fields["disposition"] = "explained"
    if action == "snooze":
        fields["until"] = now + 3 * DAY
    if action == "merge":
        fields["into"] = data.draw(st.sampled_from(ids))
    if action == "undo":
        able = undoable(standing.history(session, about))
        fields["undoes"] = able[-1].decision_id if able else None
    actor = data.draw(st.sampled_from(["reviewer-1", "reviewer-2"]))
    try:
        decide(session, about, action, actor, now, **fields)
    except NotAllowed:
        session.rollback()


@settings(max_examples=20)
@given(st.lists(versions(), max_size=10), st.randoms(use_true_random=False))
def test_partitions_may_interleave_in_any_way(template: Path, alerts: list[Alert], random: Any) -> None:
    """Versions of one alert come in order, because they have one key; what lies between does not matter."""
    queues: dict[str, list[Alert]] = {}
    for version in alerts:
        queues.setdefault(version.alert_id, []).append(version)
    mixed = []
    waiting = [queue[::-1] for queue in queues.values()]
    while waiting:
        queue = random.choice(waiting)
        mixed.append(queue.pop())
        waiting = [queue for queue in waiting if queue]
    with copied(template) as one, copied(template) as other:
        for store, order in ((one, alerts), (other, mixed)):
            with store.writing() as session:
                take(session, taken(order), AT)
        assert rows(one, AlertRow) == rows(other, AlertRow)


def test_an_alert_stands_with_all_that_it_says(either: Store) -> None:
    one = alert(unit_id=None, interval=None, p_value=None, severity="critical")
    with either.writing() as session:
        assert take(session, taken([one]), AT) == 1
    with either.reading() as session:
        row = session.get_one(AlertRow, one.alert_id)
        assert decode_alert(row.record) == one
        assert (row.severity_rank, row.interval_low, row.work_state, row.open) == (4, None, "new", True)
        assert row.window_start == one.window_start and row.arrived_at == AT
        kinds = [entry.kind for entry in ledger.entries(session)]
        assert kinds == ["configuration", "model", "alert"]


def test_only_new_bytes_make_an_entry(store: Store) -> None:
    first, second = alert(), alert(status="amended", evidence_count=3)
    with store.writing() as session:
        take(session, taken([first, first, second, second]), AT)
    with store.reading() as session:
        assert [one for _, one in standing.versions(session, first.alert_id)] == [first, second]
        assert session.get_one(AlertRow, first.alert_id).versions == 2


def test_a_change_of_what_judges_is_told_once(store: Store) -> None:
    alerts = [alert(1), alert(2, config_digest="f" * 16), alert(3), alert(4, detector_version=2)]
    with store.writing() as session:
        take(session, taken(alerts), AT)
    with store.reading() as session:
        told = [entry.body for entry in ledger.entries(session) if entry.kind in ("configuration", "model")]
    assert told == [
        {"config_digest": "0123456789abcdef"},
        {"detector": "volume", "detector_version": 1},
        {"config_digest": "f" * 16},
        {"detector": "volume", "detector_version": 2},
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"no alert", "malformed"),
        (b"{}", "missing required field"),
        (encode_alert(alert(entity="a\0b")), "null character"),
        (encode_alert(alert(detector="d" * 200)), "longer than 128"),
        (encode_alert(alert(evidence_count=2**40)), "out of range"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_stands_in_nobodys_way(
    either: Store, value: bytes, words: str
) -> None:
    good = encode_alert(alert())
    with either.writing() as session:
        take(session, [Taken("alerts", 3, 7, value), Taken("alerts", 3, 8, good)], AT)
    with either.reading() as session:
        refused = session.get_one(RefusalRow, ("alerts", 3, 7))
        assert words in refused.reason and refused.payload == value
        assert session.get(AlertRow, alert().alert_id) is not None
        assert session.get_one(Offset, ("alerts", 3)).next_offset == 9


def test_a_tombstone_is_passed_over(store: Store) -> None:
    with store.writing() as session:
        take(session, [Taken("alerts", 0, 0, None)], AT)
    assert rows(store, RefusalRow) == rows(store, AlertRow) == []


def pack(numbers: list[int], late: list[int]) -> list[bytes]:
    packing = Packing("lapd", 0)
    for place, number in enumerate(numbers):
        one = search(number, lead_issued=True, incident_area="area-1")
        packing.offsets.append(number)
        packing.searches.append(one)
        packing.times.append(one.event_time.timestamp())
        if number in late:
            packing.late.append(place)
    return encode_pack(packing.finish())


def test_searches_come_out_of_their_packs_once(either: Store) -> None:
    values = [*pack([1, 2], []), *pack([2, 3], [3]), b"no pack"]
    with either.writing() as session:
        take(session, [Taken("searches", 0, at, value) for at, value in enumerate(values)], AT)
    with either.reading() as session:
        found = session.scalars(select(SearchRow).order_by(SearchRow.event_id)).all()
        assert [(row.event_id, row.late) for row in found] == [("e-1", False), ("e-2", False), ("e-3", True)]
        assert found[0].event_time == search(1).event_time and found[0].lead_issued is True
        assert found[0].incident_area == "area-1"
        assert "not a pack" in session.get_one(RefusalRow, ("searches", 0, 2)).reason


def test_incidents_grow_together(store: Store) -> None:
    """Two alerts far apart, until a third comes between them; the earliest gives the name."""
    early = alert(2, first_seen=AT - 9 * DAY)
    late = alert(1, window_start=AT + 10 * DAY, window_end=AT + 11 * DAY)
    between = alert(3, window_start=AT, window_end=AT + 4 * DAY)
    with store.writing() as session:
        take(session, taken([early, late]), AT)
    with store.reading() as session:
        assert session.get_one(AlertRow, late.alert_id).incident_id == late.alert_id
    with store.writing() as session:
        take(session, taken([early, late, between]), AT)
    with store.reading() as session:
        assert {row.incident_id for row in session.scalars(select(AlertRow))} == {early.alert_id}
