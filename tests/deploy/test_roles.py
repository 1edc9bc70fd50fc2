"""The web's role may read what the web's code asks for: a new table in a question of the page is one in the list, too."""

import re
from pathlib import Path

from services import publish
from services.publish.roles import WEB_READS

PUBLISH = Path(publish.__file__).parent
OPERATORS_ONLY = {"story_reports", "webhooks"}
"""Asked for by commands alone, although their questions stand in the same folders."""


def test_every_table_that_the_web_asks_for_is_its_to_read() -> None:
    migrations = "".join(path.read_text() for path in sorted((PUBLISH / "migrations" / "versions").glob("*.sql")))
    there_are = set(re.findall(r"CREATE (?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)", migrations))
    code = "".join(path.read_text() for part in ("read", "web", "feeds") for path in sorted((PUBLISH / part).glob("*.py")))
    asked = set(re.findall(r"(?:FROM|JOIN) (\w+)", code)) & there_are
    assert len(asked) > 5
    assert asked - OPERATORS_ONLY <= set(WEB_READS)
