"""The tables as a sequence of changes, carried out when the console starts.

`python -m console.storage.migrations MESSAGE` writes the next change from what the tables have become.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from streams.exits import Stop

HERE = Path(__file__).resolve().parent


def configured(engine: Engine) -> Config:
    """Alembic's configuration for an engine."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = engine
    return config


def upgrade(engine: Engine) -> None:
    """Bring the tables up to date.

    Raises:
        Stop: the database cannot be reached, or a later version of the console made it.
    """
    try:
        command.upgrade(configured(engine), "head")
    except DatabaseError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise Stop(f"the console's database {where} cannot be used: {error.orig}") from None
    except CommandError as error:
        raise Stop(f"the console's database was made by another version: {error}") from None
