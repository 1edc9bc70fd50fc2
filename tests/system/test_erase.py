"""`slugline erase` on the real system: nothing of an article is left in topics, state and rows, and it does not come back."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer

from deploy.erase import _show
from deploy.erasure.carry_out import Proof
from deploy.erasure.needles import Needles, inner, passages
from deploy.erasure.scan import Found
from services.ingest.identity import canonical_url
from shared.contracts import Article, DeadLetter, Publisher, StoryUpdated
from shared.errors import Refused
from shared.ids import article_id
from shared.kafka import letters
from shared.kafka.dead_letters import dead_letter
from shared.kafka.decision import SourceRecord
from shared.kafka.letters import Wanted
from shared.settings import Settings
from shared.topics import ARTICLES, DEAD_LETTERS, FETCH_CONTROL, STORY_UPDATES
from tests.cluster.link.events import EVENTS
from tests.system.stack import Stack, running
from tests.topics import read_messages, read_records, until, write

SERVICES = ("fetch", "enrich", "assign", "materialise", "brief", "web")
ERASED = "https://harbour.example/quake"
SECRET = "Only Harbour knows that the baker Ondrej Vessel lost his oven in it, and says so here."
OUTLET = "ledger.example"


def lines() -> list[dict[str, Any]]:
    """Make lines of two events; the one of `ERASED` says what nobody else does, under a title of its own."""
    made = []
    for place, (event, outlet) in enumerate(
        (event, outlet) for event in ("quake-north", "final-one") for outlet in ("harbour", "ledger", "meridian", "courier")
    ):
        title, lead = EVENTS[event]["en"]
        url = f"https://{outlet}.example/{event.partition('-')[0]}"
        own = f" {SECRET}" if url == ERASED else f" This is what the {outlet} has heard of it so far."
        made.append(
            {
                "id": url,
                "url": url,
                "source": outlet.title(),
                "title": f"Baker's oven lost: {title}" if url == ERASED else title,
                "text": f"{lead}{own}",
                "language": "en",
                "published": (datetime.now(UTC) - timedelta(hours=3) + timedelta(minutes=place)).isoformat(),
            }
        )
    return made


def write_lines(path: Path, made: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in made))
    return path


@pytest.mark.stack
async def test_an_erased_article_and_outlet_are_nowhere_and_do_not_come_back(clean_topics: str, postgres: str, tmp_path: Path) -> None:
    stack = Stack(clean_topics, postgres, tmp_path, SERVICES)
    code, said = await stack.run_command("db", "migrate")
    assert code == 0, said
    made = lines()
    file = write_lines(tmp_path / "lines.jsonl", made)
    ids = {line["url"]: article_id(canonical_url(line["url"])) for line in made}
    erased = ids[ERASED]
    async with running(stack):
        await stack.replay(file)
        await stack.until_settled(ids.values())
        await write_letter(clean_topics, made[1])
        await write_letter(clean_topics, made[0])

        code, said = await stack.run_command(
            "erase", "article", ERASED, "--why", "a court's order", "--by", "ada", "--yes", "--now", "--json"
        )
        assert code == 0, said
        proof = json.loads(said.splitlines()[-1])
        assert (proof["complete"], proof["tables"]) == (True, {})
        assert {topic["topic"]: topic["old_copies"] for topic in proof["topics"] if topic["old_copies"]} == {}, "not in any log either"
        await check_everywhere(stack, erased)
        code, said = await stack.run_command("topics", "check")
        assert code == 0, f"the topics' settings are as they were: {said}"

        secret = tmp_path / "secret.txt"
        secret.write_text(f"{made[0]['title']}\n{SECRET}")
        await stack.replay(write_lines(tmp_path / "again.jsonl", [{**made[0], "text": f"{made[0]['text']} Once more."}, *later(made)]))
        await stack.until_settled([*(one for one in ids.values() if one != erased), *(article_id(line["url"]) for line in later(made))])
        code, said = await stack.run_command("erase", "verify", ERASED, "--text", secret, "--json")
        found = json.loads(said.splitlines()[-1])
        assert (code, found["complete"]) == (0, True)
        assert {topic["topic"] for topic in found["topics"] if topic["old_copies"]} == {"discoveries.v1"}, "the queue alone had it again"

        code, said = await stack.run_command("erase", "outlet", OUTLET, "--why", "it asked for it", "--yes", "--json")
        assert code == 0, said
        async with stack.rows() as rows:
            assert await rows.fetchval("SELECT count(*) FROM articles WHERE publisher_id = $1", OUTLET) == 0
            assert await rows.fetchval("SELECT count(*) FROM articles") == 5 + len(later(made)) - 1
        await stack.replay(file)
        fresh = {**made[5], "id": "new", "url": f"https://{OUTLET}/new", "title": "A new one of the ledger is never seen"}
        await stack.replay(
            write_lines(tmp_path / "new.jsonl", [fresh, {**later(made)[0], "id": "last", "url": "https://courier.example/last"}])
        )
        await stack.until_settled([article_id("https://courier.example/last")])
        async with stack.rows() as rows:
            assert await rows.fetchval("SELECT count(*) FROM articles WHERE publisher_id = $1", OUTLET) == 0
            assert await rows.fetchval("SELECT count(*) FROM articles WHERE article_id = $1", erased) == 0


def later(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make further lines, of an outlet that stays and of one that goes."""
    return [
        {**made[1], "id": "late", "url": f"https://{OUTLET}/late"},
        {**made[2], "id": "late", "url": "https://meridian.example/late"},
    ]


async def write_letter(broker: str, line: dict[str, Any]) -> None:
    """Put a dead letter that holds the article."""
    made = Article(
        article_id=article_id(line["url"]),
        version=1,
        url=line["url"],
        canonical_url=line["url"],
        publisher=Publisher(id=line["url"].split("/")[2], name=line["source"]),
        title=line["title"],
        text=line["text"],
        language="en",
        fetched_at=datetime.now(UTC),
        content_hash="0",
    )
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    record = SourceRecord(ARTICLES.name, 0, len(line["url"]), str(made.article_id).encode(), made.to_bytes(), now_ms)
    await write(broker, [dead_letter("enrich", record, Refused("made_up", "it is made up"))])


async def check_everywhere(stack: Stack, erased: UUID) -> None:
    """Look with other eyes than the command's: page, search, feeds, updates, letters, the block."""
    for path in ("/", "/search?q=baker", "/api/search?q=baker", f"/api/articles/{erased}"):
        async with stack.session.get(f"{stack.url}{path}") as answer:
            text = await answer.text()
        assert "Vessel" not in text
        assert "Baker" not in text
    for update in await read_messages(stack.broker, STORY_UPDATES, StoryUpdated):
        assert "oven" not in update.headline
    for letter in await read_messages(stack.broker, DEAD_LETTERS, DeadLetter):
        assert b"Vessel" not in inner(letter.to_bytes())
    [kept] = await letters.read(Settings(kafka_bootstrap_servers=stack.broker), Wanted())
    assert b"ledger" in inner(kept.to_bytes()), "another's letter is still there to be replayed"
    [block] = [json.loads(record.value) for record in await read_records(stack.broker, FETCH_CONTROL) if record.value]
    assert (block["by"], block["why"]) == ("ada", "a court's order")

    async def told() -> bool:
        async with stack.rows() as rows:
            count: int = await rows.fetchval("SELECT count(*) FROM story_briefs WHERE plain LIKE '%48 people%'")
            return count > 0

    await until(told, "what others say stays in the brief")


@pytest.mark.parametrize("many", [False, True])
def test_a_title_is_known_whole_though_its_parts_are_short_or_others(many: bool) -> None:
    """A headline that was the erased article's is found in a story's later updates, which name other articles alone."""
    needles, title = Needles(), 'Baker’s "oven" lost: Magnitude 6.3 earthquake hits Tarvanel'
    needles.add_title(title)
    if many:
        needles.passages.update(f"another passage of the outlet, the {number}th" for number in range(1_000))
    needles.others.update(needles.content().passages_in(b'{"title": "Magnitude 6.3 earthquake hits Tarvanel"}'))
    finder = needles.content()
    for ascii_alone in (False, True):
        assert finder.passage_in(json.dumps({"headline": title}, ensure_ascii=ascii_alone).encode()) == title
    assert finder.passage_in(b'{"headline": "Magnitude 6.3 earthquake hits Tarvanel"}') is None


def test_passages_are_an_articles_own_and_written_alike_everywhere() -> None:
    found = list(passages('Short. He said: "This is a passage that is long enough, they say". And one more that is long.\nNo.'))
    assert found == ["This is a passage that is long enough, they say", "And one more that is long"]
    needles = Needles(passages={"Ein Satz über Größe und Länge", "shared by several outlets"}, others={"shared by several outlets"})
    finder = needles.content()
    assert finder.passage_in("… Ein Satz über Größe und Länge …".encode())
    assert finder.passage_in(json.dumps("Ein Satz über Größe und Länge").encode())
    assert finder.passage_in(b"shared by several outlets") is None


def test_many_passages_are_found_where_something_begins_with_them() -> None:
    many = {f"This is sentence number {number} of a whole outlet's archive" for number in range(2_000)} | {
        "https://outlet.example/some/page/of/it"
    }
    finder = Needles(passages=many).content()
    record = json.dumps({"text": "Before. This is sentence number 1234 of a whole outlet's archive. After.", "n": 1}).encode()
    assert finder.passage_in(record) == "This is sentence number 1234 of a whole outlet's archive"
    assert finder.passage_in(b'{"url": "https://outlet.example/some/page/of/it"}') == "https://outlet.example/some/page/of/it"
    assert finder.passage_in(json.dumps({"text": "This is another sentence of the archive."}).encode()) is None


def test_what_is_left_is_said_in_a_table_and_by_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    found = [Found(ARTICLES, records=9, old=2, named=1), Found(STORY_UPDATES, records=5, left=1, last_at=datetime(2026, 3, 2, tzinfo=UTC))]
    proof = Proof(found, {}, {ARTICLES.name: datetime(2026, 3, 20, tzinfo=UTC), STORY_UPDATES.name: None})
    _show(proof, as_json=False)
    said = capsys.readouterr().out
    assert "nothing that counts is left" in said
    assert "2026-03-20" in said
    with pytest.raises(typer.Exit):
        _show(Proof([Found(ARTICLES, left=1)], {"articles": 3}), as_json=False)
    assert "table articles: 3 rows left" in capsys.readouterr().out
