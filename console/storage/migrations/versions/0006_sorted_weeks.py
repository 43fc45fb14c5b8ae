"""The index of days holds what the inbox sorts by."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NAME = "ix_alerts_decided"


def upgrade() -> None:
    """Make the change."""
    op.drop_index(NAME, table_name="alerts")
    columns = ["decided_at", "severity_rank", "score", "alert_id", "incident_id", "unit_id"]
    op.create_index(NAME, "alerts", columns)


def downgrade() -> None:
    """Take it back."""
    op.drop_index(NAME, table_name="alerts")
    op.create_index(NAME, "alerts", ["decided_at"])
