"""The words of headlines, so that a search forgives spelling: derived from the rows in the transaction that writes them."""

from collections.abc import Mapping
from typing import Final

from services.publish.connect import Connection
from services.publish.materialise import tables
from services.publish.materialise.gather import TableChanges
from services.publish.spelling import words_of

# Nearly all are there already; in one order, so that two writers never wait for each other in a circle.
_LEARN: Final = """
INSERT INTO search_words (word, folded)
SELECT n.word, n.folded FROM unnest($1::text[], $2::text[]) AS n (word, folded)
WHERE NOT EXISTS (SELECT FROM search_words k WHERE k.word = n.word)
ORDER BY n.word
ON CONFLICT DO NOTHING
"""
_HEADLINES: Final = {
    table.name: next(place for place, column in enumerate(table.columns) if column.name == name)
    for table, name in ((tables.STORY_ROWS, "headline"), (tables.ARTICLE_ROWS, "title"))
}


async def learn_words(connection: Connection, changes: Mapping[str, TableChanges]) -> None:
    """Add what words a batch's stories and articles have in their headlines."""
    rows = ((place, row) for name, place in _HEADLINES.items() if name in changes for row in changes[name].rows.values())
    if words := words_of(str(row[place]) for place, row in rows):
        await connection.execute(_LEARN, list(words), list(words.values()))
