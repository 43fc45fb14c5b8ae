"""Settings of the console, read from the environment (`PROBEWATCH_CONSOLE_...`) and the command line.

Where Kafka is and which configuration is in force stays with `streams.settings`.
"""

from __future__ import annotations

from pydantic import Field
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


def load_console_settings(**given: object) -> ConsoleSettings:
    """The settings from the environment, where `given` values other than None win.

    Raises:
        Stop: a value is wrong; the text has a sentence for each.
    """
    return read_settings(ConsoleSettings, given)
