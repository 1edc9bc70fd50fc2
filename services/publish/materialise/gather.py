"""From changes in their order to what they come to, so that each key is written once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from services.publish.materialise.decode import Change
from services.publish.materialise.tables import Row, Table


@dataclass(slots=True)
class TableChanges:
    """What a batch does to one table: first the deletes, then the rows."""

    deletes: set[UUID] = field(default_factory=set)
    rows: dict[Row, Row] = field(default_factory=dict)


def gather(changes: Iterable[Change]) -> dict[str, TableChanges]:
    """Fold changes by table and key, as if they were applied one by one.

    Whether a row takes the place of the one in the database is for the statement that writes it; the rule is associative, so where
    batches end makes no difference.
    """
    gathered: dict[str, TableChanges] = {}
    for change in changes:
        table_changes = gathered.setdefault(change.table.name, TableChanges())
        if change.row is None:
            _delete(change.table, table_changes, change.record_key)
            continue
        key = change.table.row_key(change.row)
        held = table_changes.rows.get(key)
        if held is None or change.table.replaces(held, change.row):
            table_changes.rows[key] = change.row
    return gathered


def _delete(table: Table, changes: TableChanges, key: UUID) -> None:
    assert len(table.key) == 1, "only tables whose key is the record's can be deleted from"
    changes.deletes.add(key)
    changes.rows.pop((key,), None)
