"""Webhooks: endpoints, what they were told, and what waits."""

from services.publish.migrations.execute import execute_file, refuse_downgrade

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    execute_file(__file__)


downgrade = refuse_downgrade
