"""A decision is one transaction of ledger, rows and outbox, and reaches Kafka at least once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import KafkaProducer
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from console.intake.reading import Reader
from console.intake.taking import take_alerts
from console.storage import ledger
from console.storage.engine import Store
from console.storage.standing import UnknownAlert, history
from console.storage.tables import AlertRow, DecisionRow, Outgoing, SearchRow
from console.work.deciding import Overtaken, Told, decide
from console.work.sending import Sender, flush
from models.alert import encode_alert
from models.decisions import NotAllowed, undoable
from models.stage import Message
from streams.broker import EmbeddedBroker
from streams.settings import load_settings
from streams.topics import kafka_name
from tests.console.alerts import AT, DAY, alert
from tests.console.test_intake import copied, pack
from tests.live import Live, eventually

ONE, TWO = alert(1, severity="high"), alert(2, entity="r-2")


@pytest.fixture
def filled(either: Store) -> Store:
    with either.writing() as session:
        take_alerts(session, [ONE, TWO], AT)
    return either


def test_two_people_close_what_weighs_much(filled: Store) -> None:
    with filled.writing() as session:
        decide(session, ONE.alert_id, "dispose", "reviewer-1", AT, disposition="explained", text="case 7")
    with pytest.raises(NotAllowed), filled.writing() as session:
        decide(session, ONE.alert_id, "confirm", "reviewer-1", AT)
    with filled.writing() as session:
        decide(session, ONE.alert_id, "confirm", "reviewer-2", AT + DAY)
    with filled.reading() as session:
        row = session.get_one(AlertRow, ONE.alert_id)
        assert (row.work_state, row.open, row.disposition) == ("closed", False, "explained")
        assert (row.disposed_by, row.confirmed_by, row.closed_at) == ("reviewer-1", "reviewer-2", AT + DAY)
        assert row.decisions == 2
        entries = [entry for entry in ledger.about(session, ONE.alert_id) if entry.kind == "decision"]
        assert [entry.actor for entry in entries] == ["reviewer-1", "reviewer-2"]
        assert session.scalars(select(DecisionRow.seq).order_by(DecisionRow.seq)).all() == [
            entry.seq for entry in entries
        ]
        last = session.scalars(select(Outgoing).order_by(Outgoing.number)).all()[-1]
    told = msgspec.json.decode(last.value, type=Told)
    assert last.key == told.decision.decision_id
    assert (told.state, told.disposition, told.evidence) == ("closed", "explained", ONE.evidence)


def test_what_is_refused_leaves_nothing(filled: Store) -> None:
    for action, fields in (("confirm", {}), ("dispose", {"text": "x"}), ("comment", {"text": "x" * 5000})):
        with pytest.raises(NotAllowed), filled.writing() as session:
            decide(session, ONE.alert_id, action, "reviewer-1", AT, **fields)  # type: ignore[arg-type]
    with filled.reading() as session:
        assert session.scalars(select(Outgoing)).all() == []
        assert {entry.kind for entry in ledger.about(session, ONE.alert_id)} == {"alert"}


def test_who_was_slower_is_told(filled: Store) -> None:
    with filled.writing() as session:
        decide(session, ONE.alert_id, "acknowledge", "reviewer-1", AT, looked_at=0)
    with pytest.raises(Overtaken), filled.writing() as session:
        decide(session, ONE.alert_id, "comment", "reviewer-2", AT, looked_at=0, text="mine")


def test_a_merge_joins_incidents_and_its_undo_parts_them(filled: Store) -> None:
    with filled.writing() as session:
        decide(session, TWO.alert_id, "merge", "reviewer-1", AT, into=ONE.alert_id, text="one story")
    with filled.reading() as session:
        assert len(set(session.scalars(select(AlertRow.incident_id)))) == 1
    with filled.writing() as session:
        (merge,) = undoable(history(session, TWO.alert_id))
        decide(session, TWO.alert_id, "undo", "reviewer-2", AT, undoes=merge.decision_id, text="two stories")
    with filled.reading() as session:
        assert len(set(session.scalars(select(AlertRow.incident_id)))) == 2


def test_a_snooze_is_a_silence_in_the_ledger(filled: Store) -> None:
    with filled.writing() as session:
        decide(session, ONE.alert_id, "snooze", "reviewer-1", AT, until=AT + DAY, text="on leave")
    with filled.reading() as session:
        assert ledger.about(session, ONE.alert_id)[-1].kind == "silence"
        assert session.get_one(AlertRow, ONE.alert_id).snoozed_until == AT + DAY


def test_an_unknown_alert_is_said(filled: Store) -> None:
    with pytest.raises(UnknownAlert, match="no alert"), filled.writing() as session:
        decide(session, "0" * 32, "comment", "reviewer-1", AT, text="?")
    with pytest.raises(UnknownAlert, match="to merge"), filled.writing() as session:
        decide(session, ONE.alert_id, "merge", "reviewer-1", AT, into="0" * 32, text="?")


class Down(Exception):
    """Kafka does not answer."""


@settings(max_examples=15)
@given(st.lists(st.booleans(), max_size=12), st.integers(1, 6))
def test_every_message_is_sent_at_least_once_and_in_order(
    template: Path, answers: list[bool], number: int
) -> None:
    failing = iter(answers)
    sent: list[bytes] = []

    def send(topic: str, key: bytes, value: bytes) -> None:
        arrives = next(failing, True)
        if not arrives:
            if next(failing, True):
                sent.append(key)  # it arrived, but the answer was lost
            raise Down
        sent.append(key)

    with copied(template) as store:
        with store.writing() as session:
            take_alerts(session, [ONE], AT)
            decisions = [
                decide(session, ONE.alert_id, "comment", "reviewer-1", AT, text=f"{n}")[0]
                for n in range(number)
            ]
        for _ in range(len(answers) + 1):
            try:
                flush(store, send, lambda: AT)
            except Down:
                continue
        assert flush(store, send, lambda: AT) == 0
    assert list(dict.fromkeys(sent)) == [one.decision_id.encode() for one in decisions]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with EmbeddedBroker() as broker:
        yield Live(broker.url, "console", tmp_path_factory.mktemp("live"))


def produce(live: Live, messages: list[Message]) -> None:
    producer = KafkaProducer(bootstrap_servers=live.settings.brokers)
    for topic, key, value in messages:
        producer.send(kafka_name(live.settings, topic), key=key, value=value).get(10)
    producer.close()


def count(store: Store, table: type[AlertRow] | type[SearchRow]) -> int:
    with store.reading() as session:
        return len(session.scalars(select(table)).all())


def test_alerts_come_from_kafka_and_decisions_go_there(live: Live, store: Store) -> None:
    """Read, stopped and read on; what was read is not read again; decisions arrive."""
    live.ensure_topics()
    produce(live, [Message("alerts", ONE.alert_id.encode(), encode_alert(ONE)), Message("alerts", b"x", b"x"),
                   Message("searches", b"lapd", pack([1, 2], [])[0])])  # fmt: skip
    reader = Reader(store, live.settings, lambda: AT)
    reader.start()
    eventually(lambda: count(store, AlertRow) == 1 and count(store, SearchRow) == 2, "the first records")
    reader.stop()
    produce(live, [Message("alerts", TWO.alert_id.encode(), encode_alert(TWO))])
    again = Reader(store, live.settings, lambda: AT + timedelta(hours=1))
    again.start()
    eventually(lambda: count(store, AlertRow) == 2, "the second alert")
    again.stop()
    with store.writing() as session:
        decision, _ = decide(session, TWO.alert_id, "acknowledge", "reviewer-1", AT)
    sender = Sender(store, live.settings, lambda: AT)
    sender.start()
    eventually(lambda: bool(live.read("decisions")), "the decision")
    sender.stop()
    (value,) = live.read("decisions").values()
    assert msgspec.json.decode(value, type=Told).decision == decision
    with store.reading() as session:
        kinds = [entry.kind for entry in ledger.entries(session)]
    assert kinds == ["configuration", "model", "alert", "alert", "decision"]


def test_a_database_that_fails_for_a_while_ends_no_reader(store: Store) -> None:
    came: list[str | None] = []

    class Troubled(Reader):
        def _read(self) -> None:
            came.append(self.problem)
            if len(came) < 2:
                raise OperationalError("insert", {"reason": "secret"}, OSError("gone"), hide_parameters=True)
            self._stopping.set()

    reader = Troubled(store, load_settings(), lambda: AT)
    reader.start()
    eventually(lambda: len(came) > 1, "another try", 10)
    reader.stop()
    assert came == [None, "the console's database does not take them"]


def test_an_error_of_the_database_does_not_tell_what_was_to_be_written(store: Store) -> None:
    with pytest.raises(OperationalError) as told, store.writing() as session:
        session.execute(text("insert into nowhere values (:what)"), {"what": "secret"})
    assert "secret" not in str(told.value)
