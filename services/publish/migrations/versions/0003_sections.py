"""The topic sections that every database begins with."""

from services.publish.migrations.execute import execute_file, refuse_downgrade

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put them in."""
    execute_file(__file__)


downgrade = refuse_downgrade
