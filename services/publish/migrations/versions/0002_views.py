"""The views that are an interface."""

from services.publish.migrations.execute import execute_file, refuse_downgrade

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    execute_file(__file__)


downgrade = refuse_downgrade
