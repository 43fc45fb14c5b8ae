"""Settings of the console, read from the environment (`PROBEWATCH_CONSOLE_...`) and the command line.

Where Kafka is and which configuration is in force stays with `streams.settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.settings import read_settings

CONSOLE_PREFIX = "PROBEWATCH_CONSOLE_"


class ConsoleSettings(BaseSettings):
    """Every setting, with its default and what it does."""

    model_config = SettingsConfigDict(env_prefix=CONSOLE_PREFIX, extra="forbid", frozen=True)

    database: str = Field(
        "sqlite:///data/console.sqlite",
        description="Where the console keeps its records: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    )
    host: str = Field("127.0.0.1", description="Address of the console.")
    port: int = Field(8080, ge=0, le=65535, description="Its port; 0 takes a free one and prints it.")
    public_url: str | None = Field(
        None,
        description="Where people find the console, as https://HOST; needed behind a proxy. Over https"
        " cookies are for https alone.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="Addresses, separated by commas, of proxies that are believed about whom they speak for.",
    )
    secret_file: Path = Field(
        Path("data/console.secret"),
        description="File of the key that seals what is kept of second factors; made at the first start. The"
        " processes of one console share it.",
    )
    request_bytes: int = Field(1_000_000, ge=10_000, description="Largest request that is read, bytes.")
    requests_a_minute: int = Field(
        1200, ge=10, description="Requests that one network address may send a minute, to each process."
    )
    second_factor: Literal["required", "optional"] = Field(
        "required", description="Whether local accounts must set up a second factor at their first login."
    )
    session_idle: float = Field(
        30.0, ge=1, le=1440, description="Minutes after which a session ends that nobody uses."
    )
    session_life: float = Field(12.0, ge=0.1, le=72, description="Hours after which a session ends anyway.")
    oidc_issuer: str | None = Field(
        None, description="OpenID Connect: address of the login provider; unset: local accounts alone."
    )
    oidc_client_id: str | None = Field(
        None, description="OpenID Connect: what the provider calls the console."
    )
    oidc_client_secret: SecretStr | None = Field(
        None, description="OpenID Connect: the console's secret there; unset for a public client."
    )
    oidc_scope: str = Field("openid profile", description="OpenID Connect: scopes to ask for.")
    oidc_name_claim: str = Field(
        "preferred_username", description="OpenID Connect: claim that names the account."
    )
    oidc_roles_claim: str = Field("roles", description="OpenID Connect: claim that lists groups or roles.")
    oidc_roles: str = Field(
        "",
        description="OpenID Connect: GROUP=ROLE separated by commas; unset: the claim names our roles.",
    )
    oidc_label: str = Field("Log in with your organisation", description="OpenID Connect: words of the link.")

    @field_validator("public_url", "oidc_issuer")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{value} is no address such as https://console.example.org")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.public_url is not None and urlsplit(self.public_url).path:
            raise ValueError(f"{CONSOLE_PREFIX}PUBLIC_URL must name a host alone, without a path")
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            raise ValueError(
                f"{CONSOLE_PREFIX}OIDC_ISSUER and {CONSOLE_PREFIX}OIDC_CLIENT_ID are given together"
            )
        _ = self.role_of_group  # it says itself what is wrong
        return self

    @property
    def https(self) -> bool:
        """Whether people reach the console over https."""
        return self.public_url is not None and self.public_url.startswith("https://")

    @property
    def role_of_group(self) -> Mapping[str, str]:
        """Which role each group of the login provider has; empty when the provider names roles.

        Raises:
            ValueError: it is not written as GROUP=ROLE,...
        """
        found = {}
        for pair in filter(None, map(str.strip, self.oidc_roles.split(","))):
            group, between, role = pair.rpartition("=")
            if not between or not group.strip() or not role.strip():
                raise ValueError(f"{CONSOLE_PREFIX}OIDC_ROLES: {pair} is not written as GROUP=ROLE")
            found[group.strip()] = role.strip()
        return found


def load_console_settings(**given: object) -> ConsoleSettings:
    """The settings from the environment, where `given` values other than None win.

    Raises:
        Stop: a value is wrong; the text has a sentence for each.
    """
    return read_settings(ConsoleSettings, given)
