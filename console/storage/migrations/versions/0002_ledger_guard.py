"""The ledger can be added to and nothing else: the database itself refuses it."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SENTENCE = "an entry of the ledger is never changed or deleted"


def upgrade() -> None:
    """Put the guard up."""
    if op.get_bind().dialect.name == "sqlite":
        for what in ("update", "delete"):
            op.execute(
                f"create trigger ledger_refuses_{what} before {what} on ledger "
                f"begin select raise(abort, '{SENTENCE}'); end"
            )
        # `insert or replace` deletes without asking the trigger above.
        op.execute(
            "create trigger ledger_refuses_replace before insert on ledger "
            "when exists (select 1 from ledger where seq = new.seq) "
            f"begin select raise(abort, '{SENTENCE}'); end"
        )
    else:
        op.execute(
            "create function ledger_refuses() returns trigger language plpgsql as "
            f"$$ begin raise exception '{SENTENCE}'; end $$"
        )
        op.execute(
            "create trigger ledger_refuses_change before update or delete or truncate on ledger "
            "for each statement execute function ledger_refuses()"
        )


def downgrade() -> None:
    """Take it down."""
    if op.get_bind().dialect.name == "sqlite":
        for what in ("update", "delete", "replace"):
            op.execute(f"drop trigger ledger_refuses_{what}")
    else:
        op.execute("drop trigger ledger_refuses_change on ledger")
        op.execute("drop function ledger_refuses()")
