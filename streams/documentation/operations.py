"""What operations look up: settings, metrics, topics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from pydantic_settings import BaseSettings

from streams import metrics
from streams.documentation.tables import table
from streams.settings import PREFIX, Settings
from streams.topics import TOPICS

ROOT = Path(__file__).resolve().parents[2]
BOUNDS = {
    "minimum": "at least {:g}",
    "exclusiveMinimum": "above {:g}",
    "maximum": "at most {:g}",
    "pattern": "pattern `{}`",
    "minLength": "not empty",
}


def setting_table() -> str:
    """Every variable that a worker reads."""
    return _settings(Settings, PREFIX)


def console_setting_table() -> str:
    """Every variable that the console reads."""
    from console.settings import CONSOLE_PREFIX, ConsoleSettings

    return _settings(ConsoleSettings, CONSOLE_PREFIX)


def role_table() -> str:
    """What each role may do."""
    from console.access.permissions import TABLE, Permission, Role

    rows = [
        (permission.value, *("yes" if role in roles else "" for role in Role))
        for permission, roles in TABLE.items()
        if permission is not Permission.ANYONE
    ]
    return table(("may", *Role), rows)


def _settings(kind: type[BaseSettings], prefix: str) -> str:
    described = kind.model_json_schema()["properties"]
    rows = []
    for name, field in kind.model_fields.items():
        rows.append(
            (
                f"`{prefix}{name.upper()}`",
                _default(field.default),
                _limits(described[name]),
                field.description or "",
            )
        )
    return table(("variable", "default", "limits", "meaning"), rows)


def _default(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Path):
        value = value.relative_to(ROOT) if value.is_absolute() else value
    if isinstance(value, frozenset):
        value = ",".join(sorted(value))
    if isinstance(value, bool):
        value = str(value).lower()
    return f"`{value}`" if value != "" else ""


def _limits(schema: dict[str, Any]) -> str:
    known = {key: value for part in (schema, *schema.get("anyOf", ())) for key, value in part.items()}
    if "enum" in known:
        return ", ".join(f"`{value}`" for value in known["enum"])
    return ", ".join(words.format(known[key]) for key, words in BOUNDS.items() if key in known)


def metric_table() -> str:
    """Every series that a worker or the console exports."""
    rows = []
    for series in vars(metrics).values():
        if isinstance(series, MetricWrapperBase):
            # The client library has no public way to ask for the labels.
            labels = ", ".join(series._labelnames)
            (family,) = series.describe()
            suffix = "_total" if family.type == "counter" else ""
            rows.append((f"`{family.name}{suffix}`", family.type, labels, family.documentation))
    return table(("series", "kind", "labels", "meaning"), sorted(rows))


def topic_table() -> str:
    """Every topic as `./probewatch topics --create` makes it."""
    rows = []
    for topic in TOPICS:
        kept = f"{topic.retention_days} days" if topic.retention_days else "for ever"
        count = str(topic.partitions or f"`{PREFIX}PARTITIONS`")
        extra = ", ".join(f"`{name}={value}`" for name, value in topic.extra.items())
        rows.append((f"`{topic.name}`", count, topic.cleanup, kept, extra))
    return table(("topic", "partitions", "clean-up", "kept", "further settings"), rows)
