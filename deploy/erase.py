"""`slugline erase`: an article or an outlet out of every topic, state and row, with proof, and never back."""

import asyncio
import getpass
import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from deploy.erasure.carry_out import Erasure, Order, Proof
from deploy.erasure.needles import passages
from services.ingest.control import domain_of
from services.ingest.identity import canonical_url
from services.publish.config import PublishSettings
from shared import ids
from shared.errors import SluglineError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Erase an article or an outlet everywhere, with proof.")
console = Console()
notes = Console(stderr=True)

Names = Annotated[list[str], typer.Argument(metavar="ARTICLE…", help="articles by URL or id")]
Why = Annotated[str, typer.Option(help="the reason; kept with the block, the revision and in the log")]
By = Annotated[str, typer.Option("--by", help="who decides; else your user name")]
Now = Annotated[bool, typer.Option("--now", help="delete old copies at once: cuts logs behind them, and compacts topics")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]
Wait = Annotated[float, typer.Option("--wait", min=1, help="seconds that each service may take to follow")]
AsJson = Annotated[bool, typer.Option("--json", help="the proof as one JSON object")]


@app.command()
def article(
    articles: Names, why: Why, by: By = "", now: Now = False, yes: Yes = False, wait_s: Wait = 120, as_json: AsJson = False
) -> None:
    """Erase articles: from stories, briefs, search, feeds and rows, and block them, so that no poll brings them back.

    Example: slugline erase article https://outlet.example/a --why "a court's order"
    """
    wanted = frozenset(_article_id(name) for name in articles)
    _confirm(f"Erase {len(wanted)} articles for ever?", now=now, yes=yes)
    _carry_out(Order(wanted, None, by or getpass.getuser(), why), _urls(articles), now=now, wait_s=wait_s, as_json=as_json)


@app.command()
def outlet(
    name: Annotated[str, typer.Argument(metavar="OUTLET", help="the outlet's registrable domain, or any URL of it")],
    why: Why,
    by: By = "",
    now: Now = False,
    yes: Yes = False,
    wait_s: Wait = 600,
    as_json: AsJson = False,
) -> None:
    """Erase all that an outlet has published, and refuse all that it will publish."""
    domain = domain_of(name)
    if not domain:
        raise SluglineError(f"{name[:200]!r} names no outlet; give its domain, such as outlet.example")
    _confirm(f"Erase everything of {domain} for ever?", now=now, yes=yes)
    _carry_out(Order(frozenset(), domain, by or getpass.getuser(), why), frozenset(), now=now, wait_s=wait_s, as_json=as_json)


@app.command()
def verify(
    articles: Names,
    text: Annotated[Path | None, typer.Option(help="a file with the article's title and text, to look for these too")] = None,
    as_json: AsJson = False,
) -> None:
    """Look for erased articles in every topic and table; exit code 1 if anything but an id is left. Nothing is changed.

    Ids and URLs are looked for; the text is known to no one any more, so give it if you have it.
    """
    erasure = Erasure(PublishSettings.load(), Order(frozenset(map(_article_id, articles)), None, "", ""), lambda _: None, 0)
    erasure.needles.passages.update(_urls(articles))
    if text is not None:
        erasure.needles.passages.update(passages(text.read_text()))

    async def prove() -> Proof:
        await erasure.learn_others()
        return await erasure.verify()

    _show(asyncio.run(prove()), as_json=as_json)


def _carry_out(order: Order, urls: frozenset[str], *, now: bool, wait_s: float, as_json: bool) -> None:
    with notes.status("begins") as line:

        def tell(what: str) -> None:
            line.update(what)

        erasure = Erasure(PublishSettings.load(), order, tell, wait_s)
        erasure.needles.passages.update(urls)
        proof = asyncio.run(erasure.run(now=now))
    if not as_json:
        console.print(f"{len(erasure.needles.ids)} articles; {len(erasure.needles.sought)} passages looked for", highlight=False)
    _show(proof, as_json=as_json)


def _show(proof: Proof, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_json(proof)))  # noqa: T201
    else:
        table = Table("topic", "records", "left", "old copies", "gone by", "name the id", box=None, header_style="bold")
        for found in proof.topics:
            left, old = (0, found.left) if found.expires else (found.left, found.old)
            by = proof.gone_by.get(found.topic.name)
            when = "" if not (left or old) else by.strftime("%Y-%m-%d %H:%M") if by else "the next compaction"
            table.add_row(found.topic.name, f"{found.records:,}", str(left or ""), str(old or ""), when, str(found.named or ""))
        console.print(table)
        for name, count in proof.tables.items():
            console.print(f"table {name}: {count} rows left", style="red", highlight=False)
        console.print("erased: nothing that counts is left" if proof.complete else "NOT erased: see what is left above", highlight=False)
    if not proof.complete:
        raise typer.Exit(1)


def _json(proof: Proof) -> dict[str, Any]:
    return {
        "complete": proof.complete,
        "tables": proof.tables,
        "topics": [
            {
                "topic": found.topic.name,
                "records": found.records,
                "left": 0 if found.expires else found.left,
                "old_copies": found.left if found.expires else found.old,
                "gone_by": by.isoformat() if (by := proof.gone_by.get(found.topic.name)) else None,
                "name_the_id": found.named,
            }
            for found in proof.topics
        ],
    }


def _article_id(name: str) -> UUID:
    try:
        return UUID(name)
    except ValueError:
        pass
    if "//" not in name:
        raise SluglineError(f"{name[:200]!r} is neither an article's id nor a URL")
    return ids.article_id(canonical_url(name))


def _urls(names: list[str]) -> frozenset[str]:
    return frozenset(url for name in names if "//" in name for url in (name, canonical_url(name)))


def _confirm(what: str, *, now: bool, yes: bool) -> None:
    if not yes:
        more = " Logs are cut: consumers that are behind lose what lies before." if now else ""
        typer.confirm(f"{what}{more}", abort=True)
