"""The quality and cost of extractive briefs over stories of a replay file: `python -m bench.brief_quality FILE.jsonl[.gz] …`.

Every brief is audited from its texts (`services.publish.brief.audit`): each citation must hold by the check, each sentence must stand
word for word in an article that it cites. Besides: how many sections, sentences and citations, how long headings are, how many read badly or say
what the headline says, how much sentences repeat each other, how many begin with a word that points elsewhere, and how long a brief of
ten articles takes, in processor time and on the clock, with nothing read before.
"""

import argparse
import gzip
import json
import statistics
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from services.publish.brief import compose as composing
from services.publish.brief.audit import audit, count_citations, find_heading_flaw, repetition
from services.publish.brief.heading import count_words
from services.publish.brief.lexicon import load_lexicon
from services.publish.brief.source import Source
from services.publish.brief.words import letters_only
from shared.contracts import Brief, Story

TIMED_ARTICLES = 10
REPEATS = 3


def main() -> None:
    """Read the files named on the command line and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--articles", type=int, default=12, help="articles of a story at most")
    parser.add_argument("--stories", type=int, default=400, help="stories of a file at most, evenly taken")
    parser.add_argument("--show", type=int, default=0, help="print that many briefs")
    chosen = parser.parse_args()
    for file in chosen.files:
        stories = list(read_stories(file))
        step = max(1, len(stories) // chosen.stories)
        _report(file, [articles[: chosen.articles] for articles in stories[::step]], chosen.show)
        _time([articles[:TIMED_ARTICLES] for articles in stories if len(articles) >= TIMED_ARTICLES][:40])


def read_stories(file: Path) -> Iterator[list[Source]]:
    """Give each story's articles as sources, stories in the order of their names."""
    stories: dict[str, list[dict[str, str | None]]] = {}
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        for line in lines:
            article = json.loads(line)
            stories.setdefault(article["story"], []).append(article)
    for name in sorted(stories):
        yield [_source(number, article) for number, article in enumerate(stories[name], 1)]


def _source(number: int, article: dict[str, str | None]) -> Source:
    at = article.get("published")
    published = datetime.fromisoformat(at).astimezone(UTC) if at else None
    identity = str(article["id"])
    publisher = article.get("source") or identity
    return Source(
        number=number,
        article_id=uuid.uuid5(uuid.NAMESPACE_URL, identity),
        version=1,
        title=article["title"] or "",
        text=article["text"] or "",
        publisher_id=publisher,
        publisher_name=publisher,
        language=article.get("language") or "en",
        published_at=published,
    )


def story_of(sources: Sequence[Source]) -> Story:
    """Give the state of a story of these articles, headed by the first one's title."""
    at = sources[0].published_at or datetime(2026, 1, 1, tzinfo=UTC)
    return Story(
        story_id=sources[0].article_id,
        revision=1,
        status="open",
        headline=sources[0].title[:2_000],
        headline_article_id=sources[0].article_id,
        language=sources[0].language,
        article_count=len(sources),
        publisher_count=len(sources),
        first_published_at=at,
        last_published_at=at,
    )


def _report(file: Path, stories: Sequence[Sequence[Source]], show: int) -> None:
    sections: Counter[int] = Counter()
    sentences: Counter[int] = Counter()
    headings: Counter[int] = Counter()
    cited: Counter[int] = Counter()
    found: Counter[str] = Counter()
    flaws: Counter[str] = Counter()
    repeated: list[float] = []
    citations = echoes = loose = total = 0
    for place, sources in enumerate(stories):
        story = story_of(sources)
        brief = composing.compose(story, sources)
        citations += count_citations(brief)
        found.update(finding.what for finding in audit(brief, sources))
        repeated.append(repetition(brief, sources))
        sections[len(brief.sections)] += 1
        lexicon = load_lexicon(story.language)
        for section in brief.sections:
            sentences[len(section.sentences)] += 1
            headings[count_words(section.heading)] += 1
            flaws.update([flaw] if (flaw := find_heading_flaw(section.heading, story.language)) else [])
            echoes += letters_only(section.heading).strip() == letters_only(story.headline).strip()
            for sentence in section.sentences:
                total += 1
                cited[len(sentence.citations)] += 1
                loose += letters_only(sentence.text).split()[:1] != [] and letters_only(sentence.text).split()[0] in lexicon.openers
        if place < show:
            _print(story, brief)
    holding = citations - found["not_stated"] - found["unknown_source"]
    print(f"\n{file.name}: {len(stories)} stories, {total} sentences, {citations} citations")
    print(f"  citations that hold by the check   {holding / max(1, citations):.2%}")
    print(f"  findings of the audit              {dict(found) or 'none'}")
    print(f"  sections a story                   {_spread(sections)}")
    print(f"  sentences a section                {_spread(sentences)}")
    print(f"  citations a sentence               {_spread(cited)}")
    print(f"  words a heading                    {_spread(headings)}")
    print(f"  headings that read badly           {dict(flaws) or 'none'} of {sum(headings.values())}")
    print(f"  headings equal to the headline     {echoes}")
    print(f"  sentences that open with a pronoun {loose}")
    if repeated:
        print(f"  most repeated share of a sentence  median {statistics.median(repeated):.2f}, greatest {max(repeated):.2f}")


def _time(stories: Sequence[Sequence[Source]]) -> None:
    if not stories:
        return
    processor: list[float] = []
    clock: list[float] = []
    for sources in stories:
        story = story_of(sources)
        runs: list[tuple[float, float]] = []
        for _ in range(REPEATS):
            composing.forget()
            started, began = time.process_time(), time.perf_counter()
            composing.compose(story, sources)
            runs.append((time.process_time() - started, time.perf_counter() - began))
        processor.append(min(run[0] for run in runs) * 1000)
        clock.append(min(run[1] for run in runs) * 1000)
    words = statistics.median(sum(len(source.text.split()) for source in sources) for sources in stories)
    print(f"  a brief of {TIMED_ARTICLES} articles ({words:.0f} words)   processor {_times(processor)}, clock {_times(clock)}")


def _times(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"median {statistics.median(ordered):.0f} ms, p95 {ordered[int(len(ordered) * 0.95)]:.0f} ms"


def _spread(counts: Counter[int]) -> str:
    return "  ".join(f"{size}: {count}" for size, count in sorted(counts.items()))


def _print(story: Story, brief: Brief) -> None:
    print(f"\n{'=' * 100}\n{story.headline}")
    for section in brief.sections:
        print(f"\n  ** {section.heading} **")
        for sentence in section.sentences:
            print(f"  {sentence.text} {''.join(f'[{number}]' for number in sentence.citations)}")


if __name__ == "__main__":
    main()
