"""Logins, encryption and permissions: what works end to end, and what each refusal says.

A refusal is one line that names the setting or the permission, exit code 1, at once, for every
command alike; nothing is written and nothing committed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from tests.delivery.cluster import ROOT, Deployment
from tests.kafka.cluster import Cluster
from tests.kafka.secured import PASSWORD, USER, Authority, forbid, grant
from tests.live import eventually

pytestmark = pytest.mark.kafka

#: What a worker must be allowed, by logical topic, and its group.
ALL = {
    "searches.raw": "READ WRITE",
    "searches": "READ WRITE",
    "searches.refused": "WRITE",
    "searches.late": "WRITE",
    "alerts": "READ WRITE",
    "state.ingest": "READ WRITE",
    "state.watch": "READ WRITE",
    "decisions": "READ",
    "group": "READ",
}
COMMANDS = {
    "worker": ["tests.delivery.toy"],
    "topics": ["streams", "topics", "--check"],
    "produce": ["streams", "produce", "events.jsonl"],
}
SCRAM = {"SASL_MECHANISM": "SCRAM-SHA-256", "SASL_USERNAME": USER, "SASL_PASSWORD": PASSWORD}
PLAIN = {**SCRAM, "SASL_MECHANISM": "PLAIN"}
Refuse = Callable[..., str]


def keys(count: int) -> list[str]:
    return [f"officer{number % 17}" for number in range(count)]


def written(deployment: Deployment) -> int:
    """Records in all topics of a deployment."""
    admin = KafkaAdminClient(bootstrap_servers=deployment.bootstrap)
    described = admin.describe_topics([deployment.topic(topic) for topic in ALL if topic != "group"])
    latest = {
        TopicPartition(topic["name"], partition["partition_index"]): OffsetSpec.LATEST
        for topic in described
        for partition in topic["partitions"]
    }
    ends = admin.list_partition_offsets(latest)
    admin.close()
    return sum(end.offset for end in ends.values())


@pytest.fixture
def locked(secured: Cluster, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    """Topics on the secured node, to which nobody has been let in yet."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    made = Deployment(secured, name, tmp_path)
    yield made
    made.close()


@pytest.fixture
def refuse(locked: Deployment) -> Refuse:
    """Runs a command that must be refused, and gives the one line that it says."""

    def run(command: str, broker: str, **settings: str) -> str:
        (locked.folder / "events.jsonl").write_text('{"event_id": "e1"}\n')
        given = {
            "BROKER": broker,
            "TOPIC_PREFIX": locked.settings.topic_prefix,
            "GROUP_ID": locked.settings.group_id,
            "PARTITIONS": str(locked.settings.partitions),
            "WEB_PORT": "0",
            "LOG_FORMAT": "json",
            "DATA_DIR": str(locked.folder / "data"),
            **settings,
        }
        ran = subprocess.run(
            [sys.executable, "-m", *COMMANDS[command]],
            env={**os.environ, "PYTHONPATH": str(ROOT)} | {f"PROBEWATCH_{k}": v for k, v in given.items()},
            cwd=locked.folder,
            capture_output=True,
            text=True,
            timeout=15,
            check=False,
        )
        # kafka-python remarks on each SCRAM login without encryption.
        said = [
            line
            for line in ran.stderr.splitlines()
            if '"level": "info"' not in line and "in the clear" not in line
        ]
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert len(said) == 1, ran.stderr
        assert "Traceback" not in said[0]
        assert written(locked) == 0
        assert locked.committed() == {}
        return said[0]

    return run


@pytest.mark.parametrize(
    ("listener", "mechanism"),
    [
        ("SCRAM", "SCRAM-SHA-256"),
        ("SCRAM", "SCRAM-SHA-512"),
        ("LOGIN", "SCRAM-SHA-512"),
        ("LOGIN", "PLAIN"),
        ("TLS", None),
        ("MUTUAL", None),
    ],
)
def test_right_settings_work_to_the_end(
    secured: Cluster, authority: Authority, locked: Deployment, listener: str, mechanism: str | None
) -> None:
    grant(secured, locked.settings.group_id, ALL)
    grant(secured, locked.settings.group_id, ALL, user=f"CN={USER}")
    settings = {"BROKER": secured.address(listener)}
    if mechanism:
        settings |= SCRAM | {"SASL_MECHANISM": mechanism}
    if listener != "SCRAM":
        settings["SSL_CAFILE"] = str(authority.ca)
    if listener == "MUTUAL":
        settings |= {"SSL_CERTFILE": str(authority.client), "SSL_KEYFILE": str(authority.client_key)}
    locked.produce(keys(300))
    worker = locked.start(**settings)
    locked.wait_done()
    assert worker.stop() == 0
    locked.check_against_oracle()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("listener", "wrong", "told"),
    [
        ("SCRAM", {**SCRAM, "SASL_PASSWORD": "wrong"}, "PROBEWATCH_SASL_PASSWORD"),
        ("SCRAM", {**SCRAM, "SASL_USERNAME": "nobody"}, "login of 'nobody'"),
        ("SCRAM", {}, "wants a login: set PROBEWATCH_SASL_MECHANISM (SCRAM-SHA-256, SCRAM-SHA-512)"),
        ("PLAIN", SCRAM, "unset PROBEWATCH_SASL_MECHANISM"),
        ("LOGIN", {**PLAIN, "SASL_PASSWORD": "wrong", "SSL_CAFILE": "ours"}, "login of"),
        ("LOGIN", {**SCRAM, "SSL_CAFILE": "stranger"}, "certificate verify failed"),
        ("LOGIN", SCRAM, "wants an encrypted connection: set PROBEWATCH_SSL_CAFILE"),
        ("TLS", {}, "wants an encrypted connection: set PROBEWATCH_SSL_CAFILE"),
        ("PLAIN", {"SSL_CAFILE": "ours"}, "does not encrypt"),
        ("MUTUAL", {"SSL_CAFILE": "ours"}, "PROBEWATCH_SSL_CERTFILE"),
    ],
    ids=[
        "password", "user", "no-login", "login-where-none", "plain-password", "authority",
        "login-unencrypted", "unencrypted", "encrypted-where-none", "no-certificate",
    ],
)  # fmt: skip
def test_wrong_setting_is_one_line_that_names_it(
    secured: Cluster, authority: Authority, stranger: Authority, refuse: Refuse,
    command: str, listener: str, wrong: dict[str, str], told: str,
) -> None:  # fmt: skip
    authorities = {"ours": authority.ca, "stranger": stranger.ca}
    settings = {
        name: str(authorities[value]) if name == "SSL_CAFILE" else value for name, value in wrong.items()
    }
    assert told in refuse(command, secured.address(listener), **settings)


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ({"searches": "WRITE"}, "READ on topic {}.searches;"),
        ({"alerts": "READ"}, "WRITE on topic {}.alerts;"),
        ({"state.watch": ""}, "READ on topic {0}.state.watch, WRITE on topic {0}.state.watch;"),
        ({"group": ""}, "READ on group {};"),
        ({"group": "DESCRIBE"}, "READ on group {};"),
    ],
    ids=["read", "write", "state", "group", "group-read"],
)
def test_missing_permission_is_one_line_that_names_it(
    secured: Cluster, locked: Deployment, refuse: Refuse, lacking: dict[str, str], told: str
) -> None:
    locked.produce([])
    grant(secured, locked.settings.group_id, {**ALL, **lacking})
    said = refuse("worker", secured.address("SCRAM"), **SCRAM)
    assert told.format(locked.settings.group_id) in said
    assert f"--allow-principal User:{USER}" in said


@pytest.mark.parametrize("command", ["topics", "produce"])
def test_topics_that_may_not_be_seen_are_named(
    secured: Cluster, locked: Deployment, refuse: Refuse, command: str
) -> None:
    said = refuse(command, secured.address("SCRAM"), **SCRAM)
    assert f"{locked.settings.group_id}.searches.raw" in said
    assert "missing" not in said


def test_permission_taken_away_while_working_ends_the_worker(secured: Cluster, locked: Deployment) -> None:
    name = locked.settings.group_id
    grant(secured, name, ALL)
    locked.produce(keys(300))
    worker = locked.start(BROKER=secured.address("SCRAM"), **SCRAM)
    locked.wait_done()
    before = locked.committed()
    forbid(secured, name, {"alerts": "WRITE"})
    locked.produce(keys(300))
    assert worker.wait_exit() == 1
    assert f"topic {name}.alerts" in worker.text()
    assert locked.committed() == before
    forbid(secured, name, {"alerts": "WRITE"}, lift=True)
    successor = locked.start(BROKER=secured.address("SCRAM"), **SCRAM)
    eventually(lambda: sum(locked.committed().values()) == 600, "the successor does the rest")
    assert successor.stop() == 0
    locked.check_against_oracle()
