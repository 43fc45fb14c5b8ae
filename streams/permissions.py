"""What Kafka must allow this worker, asked before it starts, and its refusals put into sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    InvalidSessionTimeoutError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from kafka.errors import KafkaError

from streams.exits import Stop
from streams.settings import PREFIX, Settings
from streams.topics import admin_client, kafka_name

#: What a worker does with each topic. Without TICKS=clock it does not write to searches.raw.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "searches.raw": ("READ", "WRITE"),
    "searches": ("READ", "WRITE"),
    "searches.refused": ("WRITE",),
    "searches.late": ("WRITE",),
    "alerts": ("READ", "WRITE"),
    "state.ingest": ("READ", "WRITE"),
    "state.watch": ("READ", "WRITE"),
}
#: Kafka's number for a topic that the user may not even see.
TOPIC_AUTHORIZATION_FAILED = 29


def refused_topics(settings: Settings) -> list[tuple[str, str]]:
    """Topics and what may not be done with them; nothing where the broker keeps no such rules.

    Raises:
        Stop: no broker answers.
    """
    admin = admin_client(settings)
    try:
        described = admin.describe_topics([kafka_name(settings, name) for name in NEEDED])
    except KafkaError as error:
        raise Stop(f"Kafka does not tell what {_user(settings)} may do: {error}") from None
    finally:
        admin.close()
    allowed = {entry["name"]: _allowed(entry) for entry in described}
    return [
        (kafka_name(settings, name), operation)
        for name, operations in NEEDED.items()
        for operation in operations
        if (may := allowed.get(kafka_name(settings, name))) is not None and operation not in may
        if not (name == "searches.raw" and operation == "WRITE" and settings.ticks == "off")
    ]


def _allowed(entry: Mapping[str, Any]) -> frozenset[str] | None:
    """The operations on a described topic, or None when the broker does not say."""
    if entry["error_code"] == TOPIC_AUTHORIZATION_FAILED:
        return frozenset()
    said = entry.get("authorized_operations")
    return None if entry["error_code"] or said is None else frozenset(said)


def lacking(settings: Settings, topics: list[tuple[str, str]], *, group: bool = False) -> Stop:
    """The end of a worker that may not do these operations, or not read with its group."""
    refused = [f"{operation} on topic {topic}" for topic, operation in topics]
    grants = [f"--operation {operation.capitalize()} --topic {topic}" for topic, operation in topics]
    if group:
        refused.append(f"READ on group {settings.group_id}")
        grants.append(f"--operation Read --group {settings.group_id}")
    return Stop(
        f"Kafka does not let {_user(settings)} {', '.join(refused)}; grant it, for instance:"
        f" kafka-acls.sh --add --allow-principal User:{settings.sasl_username or 'NAME'} {grants[0]}"
    )


def explained(error: BaseException, settings: Settings) -> BaseException:
    """The same error, or a Stop that names the permission or setting that would cure it."""
    for cause in _causes(error):
        if isinstance(cause, TopicAuthorizationFailedError):
            topics = f" {_named(cause)}" if cause.args else ""
            return Stop(
                f"Kafka does not let {_user(settings)} read from or write to topic{topics} any more;"
                f" grant READ and WRITE with kafka-acls.sh"
            )
        if isinstance(cause, GroupAuthorizationFailedError):
            return lacking(settings, [], group=True)
        if isinstance(cause, (ClusterAuthorizationFailedError, TransactionalIdAuthorizationFailed)):
            return Stop(
                f"Kafka does not let {_user(settings)} write at all: grant WRITE on the topics, or"
                " IDEMPOTENT_WRITE on the cluster, with kafka-acls.sh"
            )
        if isinstance(cause, SaslAuthenticationFailed):
            return refused_login(settings, cause)
        if isinstance(cause, InvalidSessionTimeoutError):
            return Stop(
                f"Kafka does not take {PREFIX}SESSION_TIMEOUT={settings.session_timeout:g}: it must lie"
                " between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"
            )
    return error


def refused_login(settings: Settings, error: BaseException, server: str = "") -> Stop:
    """The end of a program whose user or password is not known to Kafka."""
    place = f" at {server}" if server else ""
    return Stop(
        f"Kafka{place} refuses the login of {settings.sasl_username!r}: {error}."
        f" See {PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def _named(error: BaseException) -> str:
    """The topics that aiokafka put into an error: one, or a set."""
    (topics, *_) = error.args
    return topics if isinstance(topics, str) else ", ".join(sorted(topics))


def _user(settings: Settings) -> str:
    return f"the user {settings.sasl_username!r}" if settings.sasl_username else "an anonymous client"
