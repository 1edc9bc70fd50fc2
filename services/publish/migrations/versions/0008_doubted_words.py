"""Words that may occur in no headline any more."""

from services.publish.migrations.execute import execute_file, refuse_downgrade

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; what was erased before is found too, for all words are doubted once."""
    execute_file(__file__)


downgrade = refuse_downgrade
