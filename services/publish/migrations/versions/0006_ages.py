"""Indexes by age, for rows that have had their time."""

from services.publish.migrations.execute import execute_file, refuse_downgrade

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    execute_file(__file__)


downgrade = refuse_downgrade
