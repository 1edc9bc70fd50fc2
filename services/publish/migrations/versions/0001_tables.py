"""The tables."""

from services.publish.migrations.execute import execute_file, refuse_downgrade

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    execute_file(__file__)


downgrade = refuse_downgrade
