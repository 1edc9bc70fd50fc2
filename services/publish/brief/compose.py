"""Composes a story's brief from its articles, by extraction alone."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from services.publish.brief.clip import clip_heading
from services.publish.brief.cut_title import headings_of_titles
from services.publish.brief.group import Group, affinity, group
from services.publish.brief.head import choose_heading
from services.publish.brief.heading import Heading
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.marks import Marks
from services.publish.brief.read import Reading, read_article, read_sentence
from services.publish.brief.select import Candidate, choose, find_candidates
from services.publish.brief.source import Source
from services.publish.brief.titles import title_section
from shared.contracts.brief import Brief, Section, Sentence
from shared.contracts.story import Story

READINGS = 256
"""Readings of articles that are kept: a story that grows is composed again with each article, and only the new one is read."""

HOME = 0.07
"""Affinity from which a sentence whose group has no heading may go into another section."""
LEAD_HOME = 0.1
"""The same for the first section, where what one outlet alone says must be of the event itself."""


def compose(story: Story, sources: Sequence[Source], limits: Limits = DEFAULT_LIMITS) -> Brief:
    """Compose the brief of a story at its revision from its present articles.

    The same story and articles, in any order, give the same brief. A story without usable sentences gets a section of
    titles, or none. Never raises for an article's text, whatever it is; time and size are bounded by `limits`.
    """
    ordered = sorted(sources, key=lambda source: source.number)[: limits.sources]
    read = _share(limits, len(ordered))
    readings = [_read(source, read) for source in ordered]
    told = [reading for reading in readings if reading.source.language == story.language] or readings
    if not readings:
        return Brief(story_id=story.story_id, story_revision=story.revision)
    candidates = [c for c in find_candidates(readings, _headline(story, readings), limits) if c.article in told]
    chosen = choose(candidates, _sentence_count(len(ordered), limits), limits)
    sections = _write(group(chosen, candidates, limits), candidates, story.headline, readings, limits)
    if not sections:
        alone = title_section(told, story.headline, limits)
        sections = (alone,) if alone is not None else ()
    cited = {number for section in sections for sentence in section.sentences for number in sentence.citations}
    return Brief(
        story_id=story.story_id,
        story_revision=story.revision,
        sections=sections,
        corrected=any(source.version > 1 and source.number in cited for source in ordered),
    )


def _write(
    groups: Sequence[Group], candidates: Sequence[Candidate], headline: str, readings: Sequence[Reading], limits: Limits
) -> tuple[Section, ...]:
    """Give each group its heading; one for which there is none goes into the likest other, if that has room."""
    headed: list[tuple[Heading, list[Candidate]]] = []
    homeless: list[Candidate] = []
    titles = headings_of_titles(readings, limits)
    for held in groups:
        taken = [heading for heading, _ in headed]
        heading = choose_heading(held.members, candidates, headline, taken, titles, readings, limits, lead=not headed)
        if heading is None and not headed:
            heading = clip_heading(held.members, headline, readings, limits)
        if heading is not None:
            headed.append((heading, list(held.members)))
        else:
            homeless.extend(held.members)
    for candidate in homeless:
        homes = [
            (close, -at)
            for at, (_, members) in enumerate(headed)
            if len(members) < (limits.sentences_a_section if at or candidate.independent > 1 else limits.lead_sentences)
            and (close := affinity(candidate, members[0])) >= (HOME if at or candidate.independent > 1 else LEAD_HOME)
        ]
        if homes:
            headed[-max(homes)[1]][1].append(candidate)
    return tuple(
        Section(heading=heading.text, sentences=tuple(_sentence(member, readings) for member in members)) for heading, members in headed
    )


_read = lru_cache(maxsize=READINGS)(read_article)


def _sentence_count(articles: int, limits: Limits) -> int:
    wanted = {0: 0, 1: 4, 2: 6, 3: 8, 4: 10, 5: 11}.get(articles, 13)
    return min(wanted, limits.sentences)


def _share(limits: Limits, articles: int) -> Limits:
    """Give the limits by which each of a story's articles is read: the more there are, the less of each."""
    each = max(limits.sentences_at_least, limits.sentences_a_story // max(1, articles))
    return limits if each >= limits.sentences_an_article else replace(limits, sentences_an_article=each)


def forget() -> None:
    """Forget all readings, for measurements."""
    _read.cache_clear()


def _headline(story: Story, readings: Sequence[Reading]) -> Marks:
    for reading in readings:
        if reading.source.article_id == story.headline_article_id or reading.source.title == story.headline:
            return reading.title.marks
    return read_sentence(story.headline, readings[0])


def _sentence(member: Candidate, readings: Sequence[Reading]) -> Sentence:
    return Sentence(text=member.statement.text, citations=tuple(readings[place].source.number for place in member.stated_by))
