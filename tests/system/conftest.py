"""The pipeline on the session's broker and database."""

from pathlib import Path

import pytest

from services.publish import schema
from services.publish.config import PublishSettings
from tests.system.stack import Stack


@pytest.fixture
async def stack(clean_topics: str, postgres: str, tmp_path: Path) -> Stack:
    """Give all services, not started yet, on empty topics and a database with the schema."""
    await schema.migrate(PublishSettings(database_url=postgres))
    return Stack(clean_topics, postgres, tmp_path)
