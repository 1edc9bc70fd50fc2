"""No token of a feed's URL in the views."""

from services.publish.migrations.execute import execute_file, refuse_downgrade

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the view; its columns, owner and rights stay."""
    execute_file(__file__)


downgrade = refuse_downgrade
