"""From shadow to champion and back on a worker that runs, with a model that was tampered with between."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.registry.changes import Change
from models.alert import Alert
from models.detectors import settings_types
from models.pipeline import Standing
from models.ticking import Ticker
from streams.broker import EmbeddedBroker
from streams.commands.config import SHIPPED
from streams.configuration import load
from streams.demo.worker import Worker, free_port, wait_until_ready
from streams.produce import Pace, Sender, connect, outgoing, pump
from streams.serving import POINTER
from streams.stages import pipeline
from tests.live import Live, command, eventually
from tests.model_shop import DETECTORS, SOURCES, STANZA, Shop, crown, log_of_weeks, open_shop, week

#: Weeks of the log from whose begin on another model serves.
FIRST, SECOND, THIRD = 38, 44, 50


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Shop]]:
    with EmbeddedBroker() as broker:
        made = Live(broker.url, "models", tmp_path_factory.mktemp("models"))
        shop = open_shop(made.folder)
        (made.config / "detectors.yaml").write_text(DETECTORS)
        (made.config / "sources.yaml").write_text(SOURCES)
        made.environment |= {
            "PROBEWATCH_MODELS_DIR": str(shop.models),
            "PROBEWATCH_TICKS": "clock",
            "PROBEWATCH_TICK_INTERVAL": "0.3",
            "PROBEWATCH_PARTITIONS": "1",
        }
        made.ensure_topics()
        yield made, shop


def send(live: Live, first: int, last: int, *, close: bool = False) -> int:
    """Some weeks of the log as `produce` sends them; its own ticks say nothing of models."""
    lines = log_of_weeks(first, last)
    file = live.folder / f"part-{first}.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    ticker, topic = Ticker(sources=["feed"]), live.settings.topic_prefix + "searches.raw"
    producer = connect(live.settings.connection(), topic)
    with Sender(producer, topic, file.with_suffix(".unsent")) as sender:
        deque(pump(outgoing([file], ticker, close=close), sender, Pace(), ticker), maxlen=0)
    producer.close()
    assert sender.delivery.complete, sender.delivery.faults
    return len(lines)


def judged(worker: Worker, number: int) -> None:
    """Wait until so many searches have been judged."""
    eventually(
        lambda: worker.figures().get("probewatch_searches_judged_total") == number,
        f"{number} searches judged, not {worker.figures().get('probewatch_searches_judged_total')}",
    )


def serves(worker: Worker, number: int) -> None:
    """Wait until the worker has seen a statement."""
    said = re.compile(rf"model serves.*number\S*={number}\b")
    eventually(
        lambda: bool(said.search(re.sub(r"\x1b\[[0-9;]*m", "", worker.log.read_text()))),
        f"statement {number} in {worker.log}",
    )


def by_model(alerts: list[Alert]) -> dict[str, list[float]]:
    """Ends of the windows, epoch seconds, by the digits of the model that the sentence names."""
    found: dict[str, list[float]] = {}
    for alert in alerts:
        named = re.search(r"to model ([0-9a-f]{12})", alert.explanation)
        assert named, alert.explanation
        found.setdefault(named[1], []).append(alert.window_end.timestamp())
    return found


def test_from_shadow_to_champion_and_back_without_a_restart(live: tuple[Live, Shop]) -> None:
    kafka, shop = live
    forest, mixture = shop.forest[:12], shop.mixture[:12]
    with kafka.worker(free_port()) as worker:
        wait_until_ready(worker, 40)
        serves(worker, crown(shop, shop.forest, week(FIRST)))
        number = send(kafka, 0, FIRST + 4)
        judged(worker, number)

        crown(shop, shop.mixture, week(FIRST + 4), only_shadow=True)
        serves(worker, 6)
        number += send(kafka, FIRST + 4, SECOND)
        judged(worker, number)
        shadow = f'probewatch_shadow_alerts_total{{detector="{STANZA}"}}'
        eventually(lambda: worker.figures().get(shadow, 0) > 0, "alerts of the shadow counted")
        assert set(by_model(kafka.standing().alerts())) == {forest}, "what is in shadow tells nobody"

        # Two people, while the worker runs.
        comparison = next((shop.models / "comparisons").glob("*.json")).stem
        say: dict[str, Any] = {"stanza": STANZA, "model": shop.mixture, "comparison": comparison}
        shop.registry.change("analyst-1", Change(action="asked", **say))
        entry, _ = shop.registry.change("reviewer-1", Change(action="approved", since=week(SECOND), **say))
        serves(worker, entry.seq)
        number += send(kafka, SECOND, THIRD)
        judged(worker, number)

        # A pointer to a model that was changed on the way is refused, and the champion goes on.
        pointer = shop.models / POINTER
        good = pointer.read_bytes()
        model = shop.models / "artefacts" / ("d" * 64)
        model.mkdir()
        for file in (shop.models / "artefacts" / shop.forest).iterdir():
            (model / file.name).write_bytes(file.read_bytes())
        pointer.write_bytes(good.replace(f'"number":{entry.seq}'.encode(), b'"number":90').replace(
            shop.mixture.encode(), b"d" * 64))  # fmt: skip
        refused = f'probewatch_models_refused_total{{detector="{STANZA}",reason="tampered"}}'
        eventually(lambda: worker.figures().get(refused, 0) > 0, "the changed model is refused")
        assert "was changed; put back the original" in worker.log.read_text()
        pointer.write_bytes(good)

        entry, _ = shop.registry.change(
            "reviewer-1",
            Change(action="rolled_back", stanza=STANZA, model=shop.mixture, since=week(THIRD)),
        )
        serves(worker, entry.seq)
        number += send(kafka, THIRD, 56, close=True)
        judged(worker, number)
        eventually(
            lambda: max(map(max, by_model(kafka.standing().alerts()).values())) > week(55), "the last week"
        )
        assert worker.process.poll() is None
    assert number == len(log_of_weeks()), "every search was judged once, none was lost"

    alerts = kafka.standing().alerts()
    found = by_model(alerts)
    assert set(found) == {forest, mixture}
    # A week ends where it begins for the next; the zone of the agency may be hours away.
    hours = 24 * 3600
    assert all(week(SECOND) < at < week(THIRD) + hours for at in found[mixture])
    assert not any(week(SECOND) + hours < at < week(THIRD) for at in found[forest])
    assert min(found[forest]) > week(FIRST) and max(found[forest]) > week(THIRD) + hours

    # The log holds what serves, so whoever reads it again comes to the same, in other batches.
    settings = kafka.settings
    again = pipeline(settings, load(settings.config_dir, SHIPPED, settings_types()))
    standing = Standing()
    raw = list(kafka.read("searches.raw").values())
    for first in range(0, len(raw), 777):
        standing.take(again.feed(raw[first : first + 777]))
    assert standing.lines() == kafka.standing().lines()


def test_a_replay_of_the_file_says_the_same(live: tuple[Live, Shop], tmp_path: Path) -> None:
    # Runs after the test above: what served when stands in the pointer file now.
    kafka, shop = live
    if not shop.registry.models().statements:
        pytest.fail("the registry is empty")
    out = tmp_path / "alerts.jsonl"
    done = command(
        "replay", "--config", kafka.config, "--input", shop.log(), "--out", out, environment=kafka.environment
    )
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == kafka.standing().lines()
