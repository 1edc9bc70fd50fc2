"""The numbers that steer a brief. Each is a default that an operator may change."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read, how much is written, and how sure a citation must be."""

    text_chars: int = 30_000
    """Characters of an article that are read; a report is shorter, and a longer text must not cost more time."""
    title_chars: int = 300
    """Characters of a title that are read."""
    sentences_an_article: int = 150
    """Sentences of an article that are kept."""
    sentences_a_story: int = 3_000
    """Sentences of a story that are read: of many articles fewer each, at least `sentences_at_least`."""
    sentences_at_least: int = 20
    candidates: int = 56
    """Sentences that are checked against all articles; the best by a cheap score."""
    sources: int = 100
    """Articles that are read, the lowest numbers first: as many as a story lists."""
    min_words: int = 6
    """Words of a usable sentence; shorter ones are fragments or exclamations."""
    max_words: int = 48
    """Words of a usable sentence; longer ones are not read in a glance."""
    max_chars: int = 420
    """Characters of a usable sentence."""
    sections: int = 6
    """Sections of a brief at most."""
    sentences_a_section: int = 4
    """Sentences of a section at most."""
    lead_sentences: int = 3
    """Sentences of the first section at most: it is read in a glance."""
    sentences: int = 15
    """Sentences of a brief at most."""
    coverage: float = 0.7
    """Share of a sentence's weight that an article's passage must contain to count as stating it."""
    short_coverage: float = 0.75
    """The same for a sentence of few words, each of which says much of it."""
    plain_coverage: float = 0.04
    """What is added for a sentence without a number or quotation, which show best what a passage is about."""
    spread_coverage: float = 0.02
    """What is added where the passage is several sentences, whose words come together by chance more easily."""
    told_coverage: float = 0.58
    """Share of the weight of its terms other than names that must be contained."""
    repetition: float = 0.5
    """Shared weight above which two sentences say the same."""
    heading_min_words: int = 4
    heading_max_words: int = 10


DEFAULT_LIMITS = Limits()
