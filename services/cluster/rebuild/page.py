"""A difference as one HTML file to browse: no script, nothing from elsewhere."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1c1c1c; background: #fff }
h1 { font-size: 1.4rem } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem }
dt { color: #555 } dd { margin: 0 } section { border-top: 1px solid #ccc } .part { margin: .4rem 0 .4rem 1rem }
.to { color: #555 } ul { margin: .2rem 0 .6rem } .kind { font-weight: 600 } small { color: #555 }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #16181b } dt, .to, small { color: #aaa } a { color: #8ab4ff } }
"""


def page_of(report: Mapping[str, Any], about: str) -> str:
    """Give the page for a difference's JSON values. `about`: which rebuild it is of."""
    shown = len(report["changes"])
    more = f"<p>The {shown} largest of {report['changes_in_all']} changes.</p>" if shown < report["changes_in_all"] else ""
    body = "".join(_change(number, change) for number, change in enumerate(report["changes"], 1))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>What a rebuild would change</title><style>{_STYLE}</style><h1>What a rebuild would change</h1>"
        f"<p>{escape(about)}</p>{_figures(report)}{more}{body or '<p>Nothing.</p>'}</html>\n"
    )


def figures_of(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give a difference's figures, each with its name, for people."""
    stories, cubed = report["stories"], report["bcubed"]
    apart = f"{report['not_clustered']:,} not clustered again, {report['kept_by_editor']:,} in stories that editors closed"
    return [
        (
            "articles",
            f"{report['articles']:,} ({apart})",
        ),
        ("stories", f"{stories['before']:,} now, {stories['after']:,} then; {stories['unchanged']:,} stay as they are"),
        ("merged", f"{report['merged']:,} stories into others"),
        ("split", f"{report['split']:,} new stories"),
        ("moved", f"{report['moved']:,} articles between stories that stay"),
        ("BCubed F1", f"{cubed['f1']:.4f} between old and new (precision {cubed['precision']:.4f}, recall {cubed['recall']:.4f})"),
    ]


def _figures(report: Mapping[str, Any]) -> str:
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{escape(value)}</dd>' for name, value in figures_of(report))}</dl>"


def _change(number: int, change: Mapping[str, Any]) -> str:
    parts = "".join(_part(part) for part in change["parts"])
    return f'<section><h2>{number}. <span class="kind">{escape(change["kind"])}</span>, {change["articles"]} articles</h2>{parts}</section>'


def _part(part: Mapping[str, Any]) -> str:
    goes = "stays" if part["into"] == part["story_id"] else f"goes into {part['into']}" if part["into"] else "becomes a new story"
    listed = "".join(
        f"<li>{_linked(article['url'], article['title'])} <small>{escape(article['publisher'])}</small></li>" for article in part["listed"]
    )
    rest = part["articles"] - len(part["listed"])
    return (
        f'<div class="part"><b>{escape(part["headline"])}</b> <small>{part["story_id"]}</small>'
        f'<div class="to">{part["articles"]} articles: {goes}</div><ul>{listed}{f"<li>and {rest} more</li>" if rest else ""}</ul></div>'
    )


def _linked(url: str, title: str) -> str:
    if not url.startswith(("https://", "http://")):
        return escape(title)
    return f'<a href="{escape(url)}" rel="noreferrer noopener">{escape(title)}</a>'
