"""What was erased is not published again, whatever way it comes, and nothing is kept of it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.ingest.control import Control, Held, erased_key, erased_outlet_key
from services.ingest.fetch.erased import erased_keys, without_erased
from services.ingest.fetch.publish import Content, Schedule, publish
from services.ingest.fetch.state import ArticleState, alias_key, pending_key
from shared.contracts import Extraction, Publisher
from shared.ids import article_id
from shared.kafka.decision import Decision

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
URL = "https://www.outlet.example/a"


def published(url: str = URL) -> Decision:
    content = Content(
        canonical_url=url,
        url=url,
        title="A quake",
        text="It shook.",
        truncated=False,
        summary="",
        authors=(),
        image=None,
        section=None,
        publisher=Publisher(id="outlet.example", name="Outlet"),
        language="en",
        published_at=NOW,
        extraction=Extraction.FULL,
    )
    return publish(None, content, NOW, Schedule((timedelta(hours=1),), timedelta(hours=1)))


def control(*keys: str) -> Control:
    made = Control()
    for key in keys:
        made.take(key, Held(since=NOW, by="ada", why="an order").to_bytes())
    return made


def test_an_erased_article_is_not_published_and_what_was_pending_of_it_goes() -> None:
    held = control(erased_key(article_id(URL)))
    decision = published()
    changes = {**decision.changes, pending_key(article_id(URL)): b"{}", alias_key(UUID(int=1)): b"{}"}
    left = without_erased(Decision(decision.outputs, changes), held)
    assert left.outputs == ()
    assert {key for key, value in left.changes.items() if value is not None} == {alias_key(UUID(int=1))}
    other = published("https://www.outlet.example/b")
    assert without_erased(other, held) == other


def test_an_erased_outlet_is_known_by_a_hash_and_all_its_articles_are_refused() -> None:
    key = erased_outlet_key("outlet.example")
    assert "outlet" not in key.removeprefix("erased-outlet:")
    assert without_erased(published(), control(key)).outputs == ()
    assert without_erased(published(), control(erased_outlet_key("other.example"))) == published()


def test_what_is_kept_of_the_erased_is_found() -> None:
    [key] = [key for key in published().changes if key.startswith("a:")]
    state = ArticleState.model_validate_json(published().changes[key] or b"")
    held = {state.article_id: state}
    assert erased_keys(held, {}, {}, control(erased_key(state.article_id))) == [key]
    assert erased_keys(held, {}, {}, control(erased_outlet_key("outlet.example"))) == [key]
    assert erased_keys(held, {}, {}, control()) == []
