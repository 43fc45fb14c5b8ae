"""What Kafka must allow this worker, asked before it starts, and its refusals put into sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    InvalidSessionTimeoutError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from kafka.errors import KafkaError

from streams.exits import Stop
from streams.settings import PREFIX, Settings
from streams.topics import TOPIC_AUTHORIZATION_FAILED, admin_client, kafka_name

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


def check_topics(settings: Settings) -> None:
    """Ask Kafka what a worker may do with its topics. A broker without such rules allows all.

    Raises:
        Stop: something is not allowed; all of it is named, and how to grant it. Or nobody answers.
    """
    needed = {kafka_name(settings, name): operations for name, operations in NEEDED.items()}
    if settings.ticks == "off":
        needed[kafka_name(settings, "searches.raw")] = ("READ",)
    admin = admin_client(settings)
    try:
        described = admin.describe_topics(list(needed))
    except KafkaError as error:
        raise Stop(f"Kafka does not tell what {_user(settings.sasl_username)} may do: {error}") from None
    finally:
        admin.close()
    refused = [
        (operation, f"topic {entry['name']}")
        for entry in described
        for operation in may_not(entry, needed[entry["name"]])
    ]
    if refused:
        raise lacking(settings.connection(), refused)


def may_not(entry: Mapping[str, Any], operations: Sequence[str]) -> list[str]:
    """Those operations that a topic's description forbids; none where the broker does not say."""
    if entry["error_code"] == TOPIC_AUTHORIZATION_FAILED:
        return list(operations)
    allowed = entry.get("authorized_operations")
    if entry["error_code"] or allowed is None:
        return []
    return [operation for operation in operations if operation not in allowed]


def lacking(connection: Mapping[str, Any], refused: Sequence[tuple[str, str]]) -> Stop:
    """The end of a program that may not do these operations: READ, WRITE on a `topic X` or `group X`."""
    operation, place = refused[0]
    name = connection.get("sasl_plain_username")
    return Stop(
        f"Kafka does not let {_user(name)} {', '.join(' '.join((o, 'on', p)) for o, p in refused)}; grant"
        f" it, for instance: kafka-acls.sh --add --allow-principal User:{name or 'NAME'}"
        f" --operation {operation.capitalize()} --{place}"
    )


def explained(error: BaseException, settings: Settings) -> BaseException:
    """The same error, or a Stop that names the permission or setting that would cure it."""
    user = _user(settings.sasl_username)
    for cause in _causes(error):
        if isinstance(cause, TopicAuthorizationFailedError):
            return Stop(
                f"Kafka no longer lets {user} read or write topic {_named(cause)};"
                " grant READ and WRITE with kafka-acls.sh"
            )
        if isinstance(cause, GroupAuthorizationFailedError):
            return lacking(settings.connection(), [("READ", f"group {settings.group_id}")])
        if isinstance(cause, (ClusterAuthorizationFailedError, TransactionalIdAuthorizationFailed)):
            return Stop(
                f"Kafka does not let {user} write at all: grant WRITE on the topics, or IDEMPOTENT_WRITE"
                " on the cluster, with kafka-acls.sh"
            )
        if isinstance(cause, InvalidSessionTimeoutError):
            return Stop(
                f"Kafka does not take {PREFIX}SESSION_TIMEOUT={settings.session_timeout:g}: it must lie"
                " between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"
            )
    return error


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def _named(error: BaseException) -> str:
    """The topics that aiokafka put into an error: one, or a set, or none."""
    topics = error.args[0] if error.args else "(it does not say which)"
    return topics if isinstance(topics, str) else ", ".join(sorted(topics))


def _user(name: str | None) -> str:
    return f"the user {name!r}" if name else "an anonymous client"
