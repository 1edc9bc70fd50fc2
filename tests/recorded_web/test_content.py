"""The content: enough of it, varied, consistent, and checked with messages that name file and field."""

import re
from collections import Counter, defaultdict
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

import pytest

from deploy.recorded_web.content import Content, FeedFormat, InvalidContent, PageKind, body_of, read
from deploy.recorded_web.edition import Edition
from deploy.recorded_web.expected import expected

SHINGLE = 9
"""Words in a row that two journalists would hardly both write."""


def text_of(story, plan):
    return "\n".join(body_of(plan, story))


def test_there_are_enough_outlets_articles_and_stories_in_all_formats_and_languages(content: Content):
    assert len(content.outlets) >= 12
    assert {feed.format for outlet in content.outlets for feed in outlet.feeds} == set(FeedFormat)
    assert {outlet.language for outlet in content.outlets} >= {"en", "es", "de"}
    assert len(content.stories) >= 18
    assert sum(1 for _ in content.articles()) >= 70
    assert {len(story.articles) for story in content.stories} >= {1, 2, 3, 4, 5}
    assert len({story.kind for story in content.stories}) >= 7


def test_every_outlet_publishes_something(content: Content):
    published = {plan.outlet for _, plan in content.articles()}
    assert published == {outlet.name for outlet in content.outlets}


def test_every_article_has_a_body_of_150_to_500_words_in_several_paragraphs(content: Content):
    for story, plan in content.articles():
        assert 150 <= len(text_of(story, plan).split()) <= 500, plan.key
        assert len(body_of(plan, story)) >= 5, plan.key


def test_every_sentence_ends_and_no_paragraph_begins_with_a_pronoun_out_of_the_air(content: Content):
    for story, plan in content.articles():
        for paragraph in body_of(plan, story):
            if not paragraph.startswith("## "):
                assert re.search(r"[.!?…][\"”»’']*( »)?$", paragraph), (plan.key, paragraph)
        assert not re.match(r"(He|She|It|They|Er|Sie|Ella|Il|Elle)\b", body_of(plan, story)[0]), plan.key


def test_articles_are_written_anew_but_for_the_wire_copies(content: Content):
    seen: dict[tuple[str, ...], str] = {}
    shared: Counter[tuple[str, str]] = Counter()
    for story, plan in content.articles():
        if plan.copy_of is not None:
            continue
        words = re.findall(r"\w+", text_of(story, plan).lower())
        for position in range(len(words) - SHINGLE + 1):
            shingle = tuple(words[position : position + SHINGLE])
            other = seen.setdefault(shingle, plan.key)
            if other != plan.key:
                shared[(other, plan.key)] += 1
    assert not [pair for pair, times in shared.items() if times > 12], shared.most_common(5)


def test_the_wire_report_is_carried_by_three_outlets_with_small_changes(content: Content):
    groups = defaultdict(list)
    for story, plan in content.articles():
        if plan.copy_of is not None:
            groups[plan.copy_of].append((story, plan))
    assert len(groups) == 1
    ((original_key, copies),) = groups.items()
    story = copies[0][0]
    original = next(plan for plan in story.articles if plan.key == original_key)
    assert len({original.outlet, *(plan.outlet for _, plan in copies)}) == 3
    assert len({original.title, *(plan.title for _, plan in copies)}) == 3
    assert any(plan.cut for _, plan in copies)
    assert any(plan.added for _, plan in copies)
    for _, plan in copies:
        likeness = SequenceMatcher(None, text_of(story, original).split(), text_of(story, plan).split(), autojunk=False).ratio()
        assert 0.8 < likeness < 1.0


def test_facts_are_stated_by_exactly_the_articles_that_are_said_to_state_them(content: Content):
    checked = 0
    for story in content.stories:
        for words, stated_by in story.facts.items():
            pattern = re.compile(rf"(?<!\w)({words})(?!\w)", re.IGNORECASE)
            stating = {plan.key for plan in story.articles if pattern.search("\n".join([plan.title, plan.summary, text_of(story, plan)]))}
            assert stating == set(stated_by), (story.name, words)
            checked += 1
    assert checked >= 20


def test_the_lee_story_is_told_by_four_outlets_with_its_details_spread(content: Content):
    story = next(story for story in content.stories if story.name == "lee-xi-mediation")
    assert len({plan.outlet for plan in story.articles}) == len(story.articles) == 4
    texts = {plan.key: text_of(story, plan) for plan in story.articles}
    for key, text in texts.items():
        assert "South Korean President Lee" in text + next(plan.title for plan in story.articles if plan.key == key)
        assert all(word in text for word in ("Beijing", "Xi", "Shanghai", "North", "nuclear", "lunch")), key
    assert all(plan.title.startswith("South Korean President Lee") for plan in story.articles)
    assert sum("sanctions" in text for text in texts.values()) == 1
    assert sum("a large lump of ice that melts gradually" in text for text in texts.values()) == 1
    assert sum("Yellow Sea" in text and "median line" in text and "working-level" in text for text in texts.values()) == 1
    assert sum(all(word in text for word in ("freeze", "reduc", "benefit")) for text in texts.values()) >= 2
    assert sum("zero" in text and "blocked" in text for text in texts.values()) >= 2


def test_two_pairs_of_events_are_easily_confused(content: Content):
    pairs = {frozenset((story.name, story.confused_with)) for story in content.stories if story.confused_with}
    assert pairs >= {frozenset({"quake-quilpata", "quake-marasoa"}), frozenset({"vote-pensions", "vote-rents"})}


def test_some_events_are_told_in_spanish_and_german_too(edition: Edition):
    truth = expected(edition)
    languages = Counter(story["language"] for story in truth["stories"].values() if story["also_in"])
    assert languages["es"] >= 3
    assert languages["de"] >= 3


def test_the_play_begins_full_and_grows_for_some_minutes(edition: Edition):
    stories = expected(edition)["stories"]
    assert sum(story["begun_at_s"] == 0 for story in stories.values()) >= 12
    assert all(story["begun_at_s"] <= 60 for story in stories.values())
    assert stories["lee-xi-mediation:en"]["complete_at_s"] <= 60
    assert sum(30 <= story["complete_at_s"] <= 240 for story in stories.values()) >= 10
    assert all(story["complete_at_s"] <= 240 for story in stories.values())


def test_every_misbehaviour_is_there_and_told(content: Content, edition: Edition):
    truth = expected(edition)
    assert {plan.page for _, plan in content.articles()} == set(PageKind)
    assert set(truth["refused"].values()) == {"robots_txt", "too_large", "never_ends", "redirects_in_a_circle"}
    assert all(30 <= second <= 240 for seconds in truth["corrected"].values() for second in seconds)
    assert all(30 <= second <= 240 for second in truth["withdrawn"].values())
    assert truth["corrected"]
    assert truth["withdrawn"]
    assert truth["unavailable"]
    assert any(feed.broken for outlet in content.outlets for feed in outlet.feeds)


def test_titles_tell_articles_of_one_story_apart(content: Content):
    for story in content.stories:
        for one, other in combinations(story.articles, 2):
            assert one.title != other.title


OUTLET = """
[[outlets]]
name = "testing"
title = "Testing"
tagline = "t"
about = "a"
language = "en"
country = "GB"
zone = "+00:00"
template = "plain"
colour = "#123456"
path = "/{slug}"
feeds = [{ path = "/rss", format = "rss", title = "Testing" }]
"""
STORY = """
kind = "local"
event = "-1h"
[[articles]]
outlet = "testing"
slug = "one"
section = "news"
published = "-30m"
title = "A title that is long enough"
authors = ["A. Writer"]
summary = "A summary that is long enough to pass for one of them."
body = "One paragraph {day}."
"""


def written(folder: Path, story: str = STORY, outlets: str = OUTLET) -> Path:
    (folder / "stories").mkdir()
    (folder / "outlets.toml").write_text(outlets, encoding="utf-8")
    (folder / "stories" / "thing.toml").write_text(story, encoding="utf-8")
    return folder


def test_content_of_another_folder_is_read(tmp_path: Path):
    assert [plan.key for _, plan in read(written(tmp_path)).articles()] == ["testing/one"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('kind = "local"', 'kind = "local', "thing.toml: not TOML"),
        ('published = "-30m"', 'published = "soon"', 'thing.toml: articles.0.published: Value error, not a duration such as "-3d4h"'),
        ('published = "-30m"', 'published = "+5s"', "thing.toml: articles.0: Value error, published lies after appears"),
        ('section = "news"', 'section = "news"\nsecton = "x"', "thing.toml: articles.0.secton: Extra inputs"),
        ('outlet = "testing"', 'outlet = "other"', "thing.toml: articles.0.outlet: there is no outlet other"),
        ("{day}", "{weekday}", "thing.toml: articles.0: '{weekday}' is no placeholder"),
        ('body = "One paragraph {day}."', "", "thing.toml: articles.0: Value error, needs either a body or copy_of"),
        ('body = "One paragraph {day}."', 'copy_of = "testing/two"', "articles.0.copy_of: the story has no such original testing/two"),
        ('kind = "local"', 'kind = "local"\nconfused_with = "nothing"', "thing.toml: confused_with: there is no story nothing"),
        ("[[articles]]", '[facts]\n"x" = ["testing/two"]\n[[articles]]', "thing.toml: facts.x: there is no article testing/two"),
    ],
)
def test_a_fault_is_named_with_its_file_and_field(tmp_path: Path, old: str, new: str, named: str):
    with pytest.raises(InvalidContent) as raised:
        read(written(tmp_path, STORY.replace(old, new)))
    assert named in str(raised.value)


def test_a_correction_must_find_the_words_that_it_replaces(tmp_path: Path):
    correction = '[[articles.corrections]]\nat = "10s"\nnote = "n"\nreplace = [["absent", "x"]]\n'
    with pytest.raises(InvalidContent, match=r"articles\.0\.corrections\.0\.replace: 'absent' stands 0 times"):
        read(written(tmp_path, STORY + correction))


def test_an_article_that_occurs_twice_is_named(tmp_path: Path):
    with pytest.raises(InvalidContent, match="testing/one occurs twice"):
        read(written(tmp_path, STORY + STORY[STORY.index("[[articles]]") :]))


def test_an_outlet_without_dates_for_its_language_is_named(tmp_path: Path):
    with pytest.raises(InvalidContent, match=r"testing\.language: xx has no dates"):
        read(written(tmp_path, outlets=OUTLET.replace('"en"', '"xx"')))


def test_bytes_that_are_not_utf_8_are_named(tmp_path: Path):
    folder = written(tmp_path)
    (folder / "stories" / "thing.toml").write_bytes(b"kind = '\xff'")
    with pytest.raises(InvalidContent, match=r"thing.toml: not TOML in UTF-8"):
        read(folder)
