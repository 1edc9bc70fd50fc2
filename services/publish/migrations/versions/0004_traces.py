"""Traces through the queue of briefs."""

from services.publish.migrations.execute import execute_file, refuse_downgrade

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    execute_file(__file__)


downgrade = refuse_downgrade
