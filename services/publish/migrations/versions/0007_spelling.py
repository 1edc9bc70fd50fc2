"""Search that forgives spelling, and is quick for words that every article has."""

from services.publish.migrations.execute import execute_file, refuse_downgrade

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and learn the words of the headlines that are there."""
    execute_file(__file__)


downgrade = refuse_downgrade
