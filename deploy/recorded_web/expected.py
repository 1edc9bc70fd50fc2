"""What a reader of the whole recorded web should find: the ground truth for tests and for a curious visitor. Pure."""

from collections import defaultdict
from typing import Any

from deploy.recorded_web.content import ArticlePlan, PageKind, Variant
from deploy.recorded_web.edition import Edition

_REFUSALS = {
    PageKind.HUGE: "too_large",
    PageKind.ENDLESS: "never_ends",
    PageKind.LOOP: "redirects_in_a_circle",
}


def expected(edition: Edition) -> dict[str, Any]:
    """Give the truth about a play, as JSON holds it; all times are seconds of the play, all addresses canonical ones.

    `stories`: one for each event and language, with its articles' addresses by appearance, when the last is there, the same event's
    other stories and the one it is easily confused with. `near_copies`: groups of addresses whose texts are one wire report's.
    `corrected`: address to the times of its corrections. `withdrawn`: address to the time its page is gone.
    `refused`: address to why its page can't be had (its feed's summary can). `unavailable`: outlet to the time until which it answers 503.
    `aliases`: other addresses of an article, from feeds, AMP and mobile pages, to its canonical one.
    `feeds`: each feed's address to the articles it lists over the play.
    """
    by_story: dict[str, list[ArticlePlan]] = defaultdict(list)
    languages: dict[str, set[str]] = defaultdict(set)
    events = {}
    copies: dict[str, list[str]] = defaultdict(list)
    plans = []
    for story, plan in edition.content.articles():
        language = edition.content.outlet(plan.outlet).language
        key = f"{story.name}:{language}"
        by_story[key].append(plan)
        languages[story.name].add(language)
        events[key] = (story, language)
        plans.append(plan)
        if plan.copy_of is not None:
            original = next(other for other in story.articles if other.key == plan.copy_of)
            copies[edition.url(original)].append(edition.url(plan))
    return {
        "stories": {
            key: {
                "event": story.name,
                "kind": story.kind,
                "language": language,
                "articles": [edition.url(plan) for plan in sorted(by_story[key], key=lambda plan: (plan.appears, plan.published))],
                "begun_at_s": min(_online_at(edition, plan) for plan in by_story[key]),
                "complete_at_s": max(_online_at(edition, plan) for plan in by_story[key]),
                "also_in": [f"{story.name}:{other}" for other in sorted(languages[story.name] - {language})],
                "confused_with": story.confused_with,
            }
            for key, (story, language) in events.items()
        },
        "near_copies": [[original, *others] for original, others in copies.items()],
        "corrected": {
            edition.url(plan): [correction.at.total_seconds() for correction in plan.corrections] for plan in plans if plan.corrections
        },
        "withdrawn": {edition.url(plan): plan.withdrawn.at.total_seconds() for plan in plans if plan.withdrawn is not None},
        "refused": {edition.url(plan): reason for plan in plans if (reason := _refusal(edition, plan)) is not None},
        "unavailable": {
            edition.origin(outlet.name): outlet.unavailable_until.total_seconds()
            for outlet in edition.content.outlets
            if outlet.unavailable_until.total_seconds() > 0
        },
        "aliases": _aliases(edition, plans),
        "feeds": {
            edition.feed_url(outlet, feed): [
                edition.url(plan) for plan in plans if plan.outlet == outlet.name and feed.section in {None, plan.section}
            ]
            for outlet in edition.content.outlets
            for feed in outlet.feeds
        },
    }


def _online_at(edition: Edition, plan: ArticlePlan) -> float:
    """Give the second at which an article can be had, its outlet's trouble included."""
    return max(plan.appears, edition.content.outlet(plan.outlet).unavailable_until).total_seconds()


def _refusal(edition: Edition, plan: ArticlePlan) -> str | None:
    """Say why a polite and careful fetcher does not get an article's page; None if it does."""
    outlet = edition.content.outlet(plan.outlet)
    if any(edition.path(plan).startswith(path) for path in outlet.disallowed):
        return "robots_txt"
    return _REFUSALS.get(plan.page)


def _aliases(edition: Edition, plans: list[ArticlePlan]) -> dict[str, str]:
    aliases: dict[str, str] = {}
    for plan in plans:
        url = edition.url(plan)
        aliases |= {edition.url(plan, variant): url for variant in (Variant.AMP, Variant.MOBILE)}
        aliases |= {
            edition.feed_link(feed, plan): url for feed in edition.content.outlet(plan.outlet).feeds if feed.section in {None, plan.section}
        }
        aliases.pop(url, None)
    return aliases
