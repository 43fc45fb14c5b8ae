"""How alembic reaches the tables; it runs this file for each of its commands."""

from __future__ import annotations

from alembic import context

from console.storage import everything
from console.storage.base import Instant


def render(kind: str, thing: object, autogen_context: object) -> str | bool:
    """How a migration writes our own type: as what the database has."""
    if kind == "type" and isinstance(thing, Instant):
        return "sa.DateTime(timezone=True)"
    return False


def run() -> None:
    """Carry the migrations out on the engine that the caller gave."""
    with context.config.attributes["engine"].begin() as connection:
        context.configure(
            connection=connection,
            target_metadata=everything.metadata,
            render_item=render,  # type: ignore[arg-type]
            render_as_batch=True,
            compare_type=True,
        )
        context.run_migrations()


run()
