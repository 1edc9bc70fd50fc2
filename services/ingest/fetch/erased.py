"""What was erased does not come back: whatever a discovery or a page leads to, it is left out. Pure."""

from uuid import UUID

from services.ingest.control import Control
from services.ingest.fetch.state import ARTICLE_PREFIX, FRESH_PREFIX, PENDING_PREFIX, ArticleState, Fresh, Pending
from shared.contracts import Article
from shared.kafka.decision import Decision

_KEPT = (ARTICLE_PREFIX, PENDING_PREFIX, FRESH_PREFIX)


def without_erased(decision: Decision, control: Control) -> Decision:
    """Take erased articles out of a decision: they are not published, and nothing is kept of them."""
    if not control.erased and not control.erased_outlets:
        return decision
    gone = {
        output.value.article_id
        for output in decision.outputs
        if isinstance(output.value, Article) and control.erases(output.value.article_id, output.value.publisher.id)
    }
    gone |= {identity for key in decision.changes if key[:2] in _KEPT and (identity := UUID(key[2:])) in control.erased}
    if not gone:
        return decision
    outputs = tuple(output for output in decision.outputs if not (isinstance(output.value, Article) and output.value.article_id in gone))
    changes = {key: None if key[:2] in _KEPT and UUID(key[2:]) in gone else value for key, value in decision.changes.items()}
    return Decision(outputs, changes)


def erased_keys(articles: dict[UUID, ArticleState], pending: dict[UUID, Pending], fresh: dict[UUID, Fresh], control: Control) -> list[str]:
    """Give the keys of what is still kept of erased articles."""
    gone = {key for held in (articles, pending, fresh) for key in held if key in control.erased}
    if control.erased_outlets:
        gone |= {key for key, state in articles.items() if control.erases(key, state.publisher.id)}
    return [
        f"{prefix}{key}"
        for prefix, held in ((ARTICLE_PREFIX, articles), (PENDING_PREFIX, pending), (FRESH_PREFIX, fresh))
        for key in sorted(gone)
        if key in held
    ]
