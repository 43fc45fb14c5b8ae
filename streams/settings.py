"""Settings of the shell, read from the environment (`PROBEWATCH_...`) and the command line.

What is watched and how is in `config/`; this is where the brokers are, how to log in, and how
delivery behaves. A wrong value ends the program with a sentence that names the variable.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.spelling import did_you_mean
from streams.exits import Stop
from streams.security import Security, bootstrap_servers

PREFIX = "PROBEWATCH_"
#: Variables with our prefix that are no settings: a fault to be injected by a test.
ELSEWHERE = frozenset({f"{PREFIX}FAULT"})
Read = TypeVar("Read", bound=BaseSettings)
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Settings(BaseSettings):
    """Every setting, with its default and what it does."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    broker: str = Field(
        "kafka://127.0.0.1:9092",
        description="Kafka brokers, HOST:PORT separated by commas.",
    )
    ssl_cafile: str | None = Field(
        None, description="Turns encryption on: PEM file of the authorities to trust, or `system`."
    )
    ssl_certfile: str | None = Field(None, description="PEM file of the client certificate, if Kafka asks.")
    ssl_keyfile: str | None = Field(None, description="PEM file of the client certificate's key.")
    sasl_mechanism: Mechanism | None = Field(None, description="How to log in to Kafka; unset: not at all.")
    sasl_username: str | None = Field(None, description="Kafka user name.")
    sasl_password: SecretStr | None = Field(None, description="Kafka password.")

    group_id: str = Field(
        "probewatch", min_length=1, description="Consumer group: workers of one group share the partitions."
    )
    topic_prefix: str = Field(
        "", pattern=r"^[A-Za-z0-9._-]*$", description="Put before every topic name, for instance `test.`."
    )
    partitions: int = Field(
        24,
        ge=1,
        le=1000,
        description="Partitions of the keyed topics, chosen once: state and keys belong to a partition.",
    )
    replication: int = Field(
        1, ge=1, le=9, description="Copies of each topic that `topics --create` asks for."
    )
    topics_create: bool = Field(False, description="Create missing topics when a worker starts.")

    checkpoint_interval: float = Field(
        3.0,
        ge=0,
        le=60,
        description="Seconds between writes of a partition's state while it works, and so of work that is"
        " done again after a crash; 0: after every batch.",
    )
    batch_records: int = Field(5000, ge=1, le=100_000, description="Most records handed to a stage at once.")
    stage_processes: bool = Field(
        True,
        description="Judge in child processes, one for ingest and one for watch, on cores of their own;"
        " on Linux only.",
    )
    session_timeout: float = Field(
        10.0, ge=3, le=300, description="Seconds without a heartbeat after which Kafka gives partitions away."
    )
    request_timeout: float = Field(
        30.0, ge=5, le=600, description="Seconds within which Kafka must confirm a write; then we end."
    )
    stop_timeout: float = Field(20.0, ge=1, le=600, description="Seconds for an orderly stop; then we end.")
    rebuild_state: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="Agents, separated by commas, whose missing, damaged or outdated state is to be built"
        " again from the start of their topic instead of being refused.",
    )
    refused_share: float = Field(
        0.5, gt=0, le=1, description="Share of refused messages above which the worker stops."
    )
    refused_window: int = Field(
        1000, ge=1, description="Messages over which the share is taken; never judged on fewer."
    )

    ticks: Literal["clock", "off"] = Field(
        "clock", description="`clock`: send the time to searches.raw every minute, so silence is noticed."
    )
    tick_interval: float = Field(60.0, gt=0, description="Seconds between ticks.")

    web_host: str = Field("127.0.0.1", description="Address of /metrics, /healthz and /readyz.")
    web_port: int = Field(6066, ge=0, le=65535, description="Their port; 0 takes a free one and prints it.")
    data_dir: Path = Field(Path("data"), description="Folder for what a worker keeps on disk.")
    models_dir: Path = Field(
        Path("data/models"),
        description="Folder of trained models and their registry; the same one for all workers and analysts.",
    )
    config_dir: Path = Field(
        Path(__file__).resolve().parents[1] / "config",
        description="Folder of detectors, policy and reference data.",
    )
    alertmanager_url: str | None = Field(None, description="Alertmanager to post alerts to; unset: none.")
    alert_resend_interval: float = Field(
        60.0, gt=0, le=3600, description="Seconds after which alerts that stand are posted to it again."
    )
    traces_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="OTLP/HTTP address of an OpenTelemetry collector, such as http://127.0.0.1:4318/v1/traces;"
        " unset: no traces.",
    )
    pseudonym_key: SecretStr | None = Field(
        None, description="Key of the pseudonyms that replace staff identities at ingest, 16 bytes or more."
    )
    log_format: Literal["console", "json"] = Field("console", description="Logs for a person or a machine.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")

    @field_validator("rebuild_state", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        return frozenset(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("pseudonym_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < 16:
            raise ValueError("a key under 16 bytes can be guessed; make one with `openssl rand -hex 32`")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        _ = self.brokers, self.security  # they say themselves what does not fit together
        if self.session_timeout > self.request_timeout:
            raise ValueError(f"{PREFIX}SESSION_TIMEOUT cannot be longer than {PREFIX}REQUEST_TIMEOUT")
        if self.checkpoint_interval > self.stop_timeout:
            raise ValueError(f"{PREFIX}CHECKPOINT_INTERVAL cannot be longer than {PREFIX}STOP_TIMEOUT")
        return self

    @property
    def brokers(self) -> list[str]:
        """The brokers as HOST:PORT."""
        return bootstrap_servers(self.broker)

    @property
    def security(self) -> Security:
        """Encryption and login."""
        return Security(
            sasl_mechanism=self.sasl_mechanism,
            sasl_username=self.sasl_username,
            sasl_password=self.sasl_password.get_secret_value() if self.sasl_password else None,
            ssl_cafile=self.ssl_cafile,
            ssl_certfile=self.ssl_certfile,
            ssl_keyfile=self.ssl_keyfile,
        )

    def connection(self) -> dict[str, Any]:
        """Where Kafka is and how to log in, as aiokafka and kafka-python both take it.

        Raises:
            Stop: a certificate file cannot be used.
        """
        try:
            return {"bootstrap_servers": self.brokers, **self.security.options()}
        except OSError as error:  # ssl.SSLError is one too
            given = {
                f"{PREFIX}{name}": getattr(self, name.lower())
                for name in ("SSL_CAFILE", "SSL_CERTFILE", "SSL_KEYFILE")
            }
            files = ", ".join(f"{name}={file}" for name, file in given.items() if file)
            raise Stop(f"the certificate files cannot be used ({files}): {error}") from None


def load_settings(**given: object) -> Settings:
    """The settings from the environment, where `given` values other than None win.

    Raises:
        Stop: a value is wrong; the text has a sentence for each.
    """
    return read_settings(Settings, given)


def read_settings(kind: type[Read], given: Mapping[str, object]) -> Read:
    """Settings of one kind, as `load_settings` reads its own.

    Raises:
        Stop: a value is wrong, or a variable with our prefix is no setting.
    """
    found = unknown_variables()
    if found:
        raise Stop("; ".join(found))
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise Stop("; ".join(_sentence(kind, dict(problem)) for problem in error.errors())) from None


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence for each variable that begins with our prefix but is no setting."""
    # Not before it is needed: the console reads these settings, too.
    from console.settings import CONSOLE_PREFIX, ConsoleSettings

    known = {PREFIX + field.upper() for field in Settings.model_fields}
    known |= {CONSOLE_PREFIX + field.upper() for field in ConsoleSettings.model_fields}
    return [
        f"{name} is not a setting of Probewatch{did_you_mean(name, known) or '; see docs/operations.md'}"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in known and name not in ELSEWHERE
    ]


def misspelled_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence for each variable that ends like a setting and begins almost like one.

    It belongs to somebody else as far as anybody can tell, so it may only be pointed at.
    """
    found = []
    for name in sorted(environment):
        for field in Settings.model_fields:
            begin = name.upper().removesuffix(field.upper())
            if name.upper().endswith(f"_{field.upper()}"):
                if begin != PREFIX and get_close_matches(begin, [PREFIX], cutoff=0.8):
                    found.append(f"{name} is not read, did you mean {PREFIX}{field.upper()}?")
                break
    return found


def _sentence(kind: type[BaseSettings], problem: dict[str, object]) -> str:
    place = problem["loc"]
    text = str(problem["msg"]).removeprefix("Value error, ")
    if not isinstance(place, tuple) or not place:
        return text
    name = str(place[0])
    field = kind.model_fields.get(name)
    meaning = f" ({field.description})" if field is not None else ""
    return f"{kind.model_config['env_prefix']}{name.upper()}: {text}{meaning}"
