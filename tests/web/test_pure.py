"""What needs neither database nor server: ranks, diversity, limits, words, cursors, timelines."""

import base64
import math
import re
import struct
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publish import read
from services.publish.feeds.diversify import Ranked, diverse_order
from services.publish.feeds.rank import EPOCH, TAU, rank, score_at
from services.publish.read.ask import plain_words, read_query, tsquery
from services.publish.read.search import MARK, UNMARK, split_marks
from services.publish.spelling import distance, fold, likely
from services.publish.web import present, words
from services.publish.web.cursor import PATTERN, read_cursor, write_cursor
from services.publish.web.deliver import accepts_gzip, matches
from services.publish.web.limits import RateLimit, client_key
from services.publish.web.pages import same_site
from services.publish.web.pictures import check_source, may_load
from tests.web.made_up import NOW, member, source

TIMES = st.timedeltas(timedelta(days=366), timedelta(days=3_000)).map(lambda since: EPOCH + since)
COUNTS = st.integers(1, 5_000)


def decayed(publishers: int, first: datetime, last: datetime, now: datetime) -> float:
    """Sum the decays that `rank` stands for, one publisher at a time."""
    if publishers == 1 or first == last:
        return publishers * math.exp(-((now - last) / TAU))
    steps = 4_000
    span = last - first
    return publishers / steps * sum(math.exp(-((now - (first + span * ((step + 0.5) / steps))) / TAU)) for step in range(steps))


def test_a_rank_is_the_decayed_count_of_publishers() -> None:
    """The closed form equals the sum that it stands for, whenever it is read."""
    for publishers, hours in ((1, 0), (2, 3), (40, 30), (7, 200)):
        for age_hours in (0, 5, 48):
            last = NOW - timedelta(hours=age_hours)
            first = last - timedelta(hours=hours)
            if publishers == 1:
                first = last
            expected = decayed(publishers, first, last, NOW)
            assert math.isclose(score_at(rank(publishers, first, last), NOW), expected, rel_tol=1e-3)


@given(COUNTS, COUNTS, TIMES, st.timedeltas(timedelta(), timedelta(days=60)))
def test_ranks_follow_publishers_news_and_growth(a: int, b: int, last: datetime, span: timedelta) -> None:
    """More publishers rank higher, later news ranks higher, the same publishers in a shorter time rank higher; all are finite."""
    first = last - span
    assert (rank(a, first, last) > rank(b, first, last)) == (a > b)
    assert rank(a, first, last + timedelta(minutes=1)) > rank(a, first, last)
    assert rank(a, first - timedelta(hours=1), last) < rank(a, first, last)
    assert math.isfinite(rank(0, last, first))


def test_one_topic_does_not_fill_the_top() -> None:
    """Of twenty stories of one flood and six others of lower rank, the first ten places are shared."""
    flood = [Ranked(20 - n * 0.05, f"Flood in the Oren delta: mayor orders evacuation of district {n}") for n in range(20)]
    others = [
        Ranked(18.5 - n * 0.1, title)
        for n, title in enumerate(
            (
                "Chess championship won by girl",
                "Night trains return in March",
                "Museum discovers forgotten painting",
                "Bakers agree on bread prices",
                "Glacier thinned last summer",
                "Choir fills old shipyard",
            )
        )
    ]
    order = diverse_order([*flood, *others])
    assert order[0] == 0
    assert sum(index < 20 for index in order[:10]) <= 6
    assert sorted(order) == list(range(26))


@given(st.lists(st.builds(Ranked, st.floats(-1e6, 1e6), st.text(max_size=60)), max_size=12))
def test_a_diverse_order_loses_nothing(stories: list[Ranked]) -> None:
    """Every story stands in it once; the best stands first."""
    order = diverse_order(stories)
    assert sorted(order) == list(range(len(stories)))
    if stories:
        assert stories[order[0]].rank == max(story.rank for story in stories)


def test_tokens_come_back_and_clients_are_forgotten() -> None:
    """A burst, then a steady rate; one client's use is not another's; memory is bounded."""
    limit = RateLimit(2, 3, 10)
    assert [limit.wait_s("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait_s("b", 0.0) == 0
    assert limit.wait_s("a", 0.5) == 0
    assert limit.wait_s("a", 0.5) > 0
    for n in range(1_000):
        limit.wait_s(str(n), 1.0)
    assert len(limit._buckets) == 10


def test_a_client_is_an_address_or_an_ipv6_network() -> None:
    """A home's many IPv6 addresses are one client."""
    assert client_key("192.0.2.7") == "192.0.2.7"
    assert client_key("2001:db8:1:2::1") == client_key("2001:db8:1:2:ffff::9") != client_key("2001:db8:1:3::1")
    assert client_key("::ffff:192.0.2.7") == "192.0.2.7"
    assert client_key("fe80::1%eth0") == client_key("fe80::2")
    assert client_key("not:an:address") == "not:an:address"


@given(st.floats(allow_nan=False, allow_infinity=False), st.uuids())
def test_a_cursor_comes_back_as_it_went(value: float, story_id: UUID) -> None:
    """Every place in a list survives."""
    page = read.Page(value, story_id)
    assert read_cursor(write_cursor(page)) == page


@given(st.text(max_size=50))
def test_no_text_breaks_a_cursor(text: str) -> None:
    """What is not a cursor is none, without an error; not-a-number is none either."""
    page = read_cursor(text)
    assert page is None or write_cursor(page) == text
    assert (page is not None) == (re.fullmatch(PATTERN, text) is not None)

    for value in (math.nan, -math.nan, math.inf, -math.inf, 0.0, -1e300):
        written = base64.urlsafe_b64encode(struct.pack(">d16s", value, b"")).decode()
        assert (read_cursor(written) is None) == (not math.isfinite(value)) == (re.fullmatch(PATTERN, written) is None)


def test_conditions_and_encodings_follow_the_rfc() -> None:
    """ETags compare weakly and in lists; q=0 is a refusal."""
    assert matches(b'W/"a"', b'"b", W/"a"')
    assert matches(b'W/"a"', b"*")
    assert not matches(b'W/"a"', b'"ab"')
    assert accepts_gzip(b"br, gzip;q=0.5")
    assert accepts_gzip(b"*")
    assert not accepts_gzip(b"gzip;q=0.0, br")
    assert not accepts_gzip(b"")


def test_forms_of_other_sites_are_known() -> None:
    """What the browser says decides; an old one's Origin is compared."""
    assert same_site({"sec-fetch-site": "same-origin", "origin": "null"})
    assert not same_site({"sec-fetch-site": "cross-site"})
    assert same_site({"host": "s.example", "origin": "https://s.example"})
    assert not same_site({"host": "s.example", "origin": "https://evil.example"})
    assert not same_site({"host": "s.example", "origin": "null"})
    assert same_site({"host": "s.example"})


def test_times_are_said_as_people_say_them() -> None:
    """Minutes, hours, then the day; a clock that is ahead is "just now"."""
    for before, said in (
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=3), "4 Jan"),
        (timedelta(days=30), "8 Dec 2025"),
        (timedelta(days=-2), "9 Jan"),
    ):
        assert words.ago(NOW - before, NOW) == said
    assert words.utc(NOW) == "7 Jan 2026, 15:20 UTC"
    assert words.number_of(1, "article") == "1 article"
    assert words.number_of(1_204, "story", "stories") == "1,204 stories"
    assert words.reason_words("something_new") == "Changed"
    assert words.short("one two three four", 12) == "one two…"


def test_ticks_of_a_timeline_never_overlap() -> None:
    """Articles of one moment are stacked; the drawing grows with them."""
    close = [source(number, published_at=NOW + timedelta(seconds=number)) for number in range(1, 8)]
    line = present.timeline([*close, source(8, published_at=NOW + timedelta(hours=5))])
    assert line is not None
    assert len(line.ticks) == 8
    for one in line.ticks:
        assert 0 <= one.x <= 100
        assert one.y - 10 >= 0
        assert one.y + 8 <= line.baseline
        for other in line.ticks:
            assert one is other or math.hypot((one.x - other.x) * present.WIDTH / 100, one.y - other.y) >= 20


def test_a_timeline_of_many_has_bars_that_count_all() -> None:
    """More articles than can be numbered become bars; none is lost."""
    many = [source(number, published_at=NOW + timedelta(minutes=number**2 % 997)) for number in range(1, 400)]
    line = present.timeline(many)
    assert line is not None
    assert not line.ticks
    assert sum(int(bar.label.split(" ", 1)[0]) for bar in line.bars) == 399
    assert present.timeline(many[:1]) is None
    assert present.timeline([source(1, published_at=NOW), source(2, published_at=NOW)]) is None


@given(st.text(max_size=100))
def test_a_link_is_a_web_address_or_none(text: str) -> None:
    """Whatever an outlet calls its address, a page links to http and https alone."""
    for url in (text, f"https://{text}", f"javascript:{text}", f" http://x/{text}"):
        href = present.safe_href(url)
        assert href is None or href.lower().startswith(("http://", "https://"))
        assert href is None or not (set(href) & set(" \t\r\n\0") or "@" in urlsplit(href).netloc)


def freshness(**more: object) -> read.Freshness:
    values: dict[str, object] = {
        "now": NOW,
        "newest_fetched_at": NOW - timedelta(minutes=3),
        "newest_appended_at": NOW - timedelta(minutes=3),
        "behind": 0,
        "briefs_waiting": 0,
        "oldest_brief_wait_s": 0.0,
        "workers": (read.WorkerStatus("materialise", NOW, True, "", 0),),
    }
    return read.Freshness(**(values | more))  # type: ignore[arg-type]


def test_a_reader_is_told_when_something_is_behind_and_not_when_news_is_slow() -> None:
    """No news for hours is no fault; records that wait, briefs that wait, and a silent part are."""

    def state(**more: object) -> tuple[str, str]:
        found = present.freshness(freshness(**more), NOW, late_after_s=120)
        return found.state, found.words

    assert state() == ("fresh", "The newest article came in 3 minutes ago.")
    assert state(newest_fetched_at=NOW - timedelta(hours=9), newest_appended_at=NOW - timedelta(hours=9))[0] == "fresh"
    assert state(newest_fetched_at=None, newest_appended_at=None)[0] == "unknown"
    assert state(behind=40)[0] == "late"
    assert state(oldest_brief_wait_s=600.0)[0] == "late"
    silent = (read.WorkerStatus("materialise", NOW - timedelta(minutes=5), True, "", 0),)
    assert state(workers=silent)[0] == "silent"
    two = (*silent, read.WorkerStatus("brief-1", NOW - timedelta(hours=1), True, "", 0), read.WorkerStatus("brief-2", NOW, True, "", 0))
    assert "articles" in state(workers=two)[1]
    assert state(workers=two[1:])[0] == "fresh"


def test_feeds_are_titled_by_what_they_stand_for() -> None:
    """Codes become names, operators' titles stay."""
    assert present.feed_title("top") == "Top Headlines"
    assert present.feed_title("language/ko", "ko") == "Korean"
    assert present.feed_title("country/KR", "KR") == "South Korea"
    assert present.feed_title("publisher/x.example", "The X") == "The X"
    assert present.feed_title("section/science") == "Science"
    assert present.feed_title("country/ZZ") == "ZZ"


@pytest.mark.parametrize(
    ("query", "written"),
    [
        ("harbour toll", "(('harbour') & ('toll'))"),
        ('"harbour toll" -vote', "(('harbour toll') & !'vote')"),
        ("a or b", "(('a')) | (('b'))"),
        ("it's \\ & | ! :* <->", "(('it''s'))"),
        ('"unclosed phrase', "(('unclosed phrase'))"),
        ("-only -these", ""),
        ("or OR", ""),
        ('- "" !!', ""),
    ],
)
def test_a_query_is_read_as_it_is_meant(query: str, written: str) -> None:
    """Words, phrases, or, minus; anything else has no meaning and does no harm."""
    assert tsquery(read_query(query), {}) == written


def test_other_spellings_stand_beside_a_word() -> None:
    """Only beside plain words that are wanted."""
    asked = read_query('canon "canon law" -canon')
    assert plain_words(asked) == ["canon"]
    assert tsquery(asked, {"canon": ["cañón", "canon"]}) == "(('canon' | 'cañón') & ('canon law') & !'canon')"


@given(st.text(max_size=30), st.text(max_size=30))
def test_distance_is_one(one: str, other: str) -> None:
    """Nothing between a word and itself, the same both ways, at most the longer word's length, one for one swap."""
    assert distance(one, one) == 0
    assert distance(one, other) == distance(other, one) <= max(len(one), len(other))
    assert distance("earhtquake", "earthquake") == 1


def test_likely_words_are_the_nearest() -> None:
    """A short word may have one slip, a longer one two; nearer words keep farther ones out."""
    known = [(word, fold(word)) for word in ("cañón", "cantón", "canal", "council", "counsel")]
    assert likely("canonn", known, most=3) == ["cañón"]
    assert likely("counicl", known, most=3) == ["council"]
    assert likely("cxnxn", known, most=3) == []


def test_a_snippet_sets_headings_apart_and_says_where_it_is_cut() -> None:
    """A heading has no full stop of its own; a sentence that goes on has dots."""
    told = split_marks(f"What was {MARK}served{UNMARK}\nThey ate sturgeon.\nThe {MARK}mayor{UNMARK} said that")
    assert "".join(text for text, _ in told) == "What was served: They ate sturgeon. The mayor said that …"
    assert [text for text, found in told if found] == ["served", "mayor"]
    assert split_marks("") == ()


def test_what_was_counted_up_to_a_limit_says_so() -> None:
    """A thousand may be more."""
    assert words.number_up_to(999, "article") == "999 articles"
    assert words.number_up_to(1, "story", "stories") == "1 story"
    assert words.number_up_to(1_000, "story", "stories") == "1,000+ stories"


def test_pictures_come_from_where_the_operator_allows_alone() -> None:
    """As a browser reads a policy: https: is any https, a host is itself, *.host what is below it, each at its port."""
    for allowing, url, allowed in (
        ("https:", "https://outlet.example/a.jpg", True),
        ("https:", "https://outlet.example:8443/a.jpg", True),
        ("https:", "http://outlet.example/a.jpg", False),
        ("https://outlet.example", "https://outlet.example:443/a.jpg", True),
        ("https://outlet.example", "https://outlet.example:444/a.jpg", False),
        ("https://outlet.example", "https://outlet.example.evil.example/a.jpg", False),
        ("https://OUTLET.example", "https://Outlet.Example/a.jpg", True),
        ("https://*.outlet.example", "https://img.outlet.example/a.jpg", True),
        ("https://*.outlet.example", "https://outlet.example/a.jpg", False),
        ("https://*.outlet.example", "https://notoutlet.example/a.jpg", False),
        ("http://*.localhost:9000", "http://harbour.localhost:9000/a.svg", True),
        ("http://*.localhost:9000", "http://harbour.localhost/a.svg", False),
    ):
        assert may_load(url, (check_source(allowing),)) == allowed, (allowing, url)
    assert not may_load("https://outlet.example/a.jpg", ())
    for wrong in (
        "*",
        "http:",
        "data:",
        "outlet.example",
        "https://a.example/path",
        "https://a.example; script-src *",
        "https://a.example\n",
        "https://*",
    ):
        with pytest.raises(ValueError, match="neither https:"):
            check_source(wrong)


def test_a_storys_picture_is_its_headlines_then_the_first_reporters() -> None:
    """Addresses that are none, or that pages may not load, are passed over."""
    first, second, third = (
        member(number, title=f"Title {number}", image=image)
        for number, image in enumerate(("https://a.example/1.jpg", "javascript:alert(1)", "https://c.example/3.jpg"), 1)
    )

    def chosen(headline: str, *sources: str) -> str | None:
        found = present.picture(headline, (first, second, third), sources)
        return found.address if found else None

    assert chosen("Title 3", "https:") == "https://c.example/3.jpg"
    assert chosen("Title 2", "https:") == "https://a.example/1.jpg"
    assert chosen("Title 1", "https://c.example") == "https://c.example/3.jpg"
    assert chosen("Title 1") is None
