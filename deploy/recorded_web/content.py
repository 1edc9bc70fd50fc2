"""What is played: outlets and stories, as their files say, checked. Pure but for reading the files."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta, timezone
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from deploy.recorded_web.dates import LANGUAGES
from shared.errors import SluglineError

_DURATION = re.compile(r"(?P<sign>[+-]?)(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?")
PLACEHOLDER = re.compile(r"\{(?P<what>day|date)(?P<days>[+-]\d+)?\}")
"""{day} is the weekday of the event, {day-1} the one before, {date+14} the date a fortnight later, in the outlet's language."""
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d)")


class InvalidContent(SluglineError):
    """A file of the recorded web is not what it should be. The message names the file, the field and what is wrong."""


def _duration(value: object) -> object:
    """Read "-3d4h", "45s" or "+1m30s"."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if match is None or not any(match[unit] for unit in ("days", "hours", "minutes", "seconds")):
        msg = f'not a duration such as "-3d4h", "45s" or "+1m30s": {value!r}'
        raise ValueError(msg)
    length = timedelta(**{unit: int(match[unit] or 0) for unit in ("days", "hours", "minutes", "seconds")})
    return -length if match["sign"] == "-" else length


def _zone(value: object) -> object:
    """Read an offset from UTC: "+09:00"."""
    match = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = f'not an offset from UTC such as "+09:00": {value!r}'
        raise ValueError(msg)
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    return timezone(-offset if match["sign"] == "-" else offset)


def _paragraphs(value: object) -> object:
    """Split a text at its empty lines; a line break inside a paragraph is a space."""
    if not isinstance(value, str):
        return value
    return tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", value) if part.strip())


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Paragraphs = Annotated[tuple[str, ...], BeforeValidator(_paragraphs)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=80)]


class Part(BaseModel):
    """A frozen part of the content that refuses unknown fields, so that a misspelt one is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, arbitrary_types_allowed=True)


Model = TypeVar("Model", bound=Part)


class FeedFormat(StrEnum):
    """The formats feeds are published in."""

    RSS = "rss"
    ATOM = "atom"
    JSON = "json"


class Variant(StrEnum):
    """Which form of an article's address a feed links to."""

    CANONICAL = "canonical"
    AMP = "amp"
    MOBILE = "mobile"


class FeedPlan(Part):
    """One feed of an outlet."""

    path: str = Field(pattern=r"^/\S+$")
    format: FeedFormat
    title: str = Field(min_length=1)
    section: str | None = Field(default=None, description="only this section's articles; absent: all")
    tracking: str = Field(default="", description="query string that the feed's links carry, such as utm_source=feed")
    variant: Variant = Variant.CANONICAL
    full_text: bool = Field(default=False, description="items carry the whole text, not only a summary")
    broken: bool = Field(default=False, description="the XML is malformed in several ways; its last item is cut off")


class Outlet(Part):
    """An outlet as its readers know it. Its pages live at NAME.localhost."""

    name: Name
    title: str = Field(min_length=1)
    tagline: str
    about: str = Field(description="one sentence for the index page")
    language: str = Field(pattern=r"^[a-z]{2}$")
    country: str = Field(pattern=r"^[A-Z]{2}$")
    zone: Annotated[timezone, BeforeValidator(_zone)]
    template: str = Field(pattern=r"^[a-z]+$", description="file in templates/ without its ending")
    colour: str = Field(pattern=r"^#[0-9a-f]{6}$")
    path: str = Field(description="address pattern of an article: {slug}, {section}, {year}, {month}, {day}, {number}")
    feeds: tuple[FeedPlan, ...] = Field(min_length=1)
    disallowed: tuple[str, ...] = Field(default=(), description="paths that robots.txt forbids")
    unavailable_until: Duration = Field(default=timedelta(0), description="answers 503 with Retry-After until this second of the play")

    @model_validator(mode="after")
    def _addresses_are_sound(self) -> Self:
        if "{slug}" not in self.path or not self.path.startswith("/"):
            msg = "path must begin with / and hold {slug}"
            raise ValueError(msg)
        repeated = [path for path, times in Counter(feed.path for feed in self.feeds).items() if times > 1]
        if repeated:
            msg = f"feeds share the path {repeated[0]}"
            raise ValueError(msg)
        return self


class PageKind(StrEnum):
    """How an article's page behaves."""

    NORMAL = "normal"
    HUGE = "huge"
    """More than 5 MB of HTML."""
    ENDLESS = "endless"
    """Sends a little now and then, for ever."""
    LOOP = "loop"
    """Redirects in a circle."""


class Correction(Part):
    """A change an outlet makes to an article during the play."""

    at: Duration
    note: str = Field(min_length=1, description="what the outlet says about it, at the end of the article")
    title: str | None = None
    summary: str | None = None
    replace: tuple[tuple[str, str], ...] = Field(default=(), description="pairs of old and new words of the body; old stands there once")


class Withdrawal(Part):
    """The moment from which an article's page answers 410."""

    at: Duration
    reason: str = Field(min_length=1)


class ArticlePlan(Part):
    """One outlet's article about the story."""

    outlet: Name
    slug: Name
    section: Name
    appears: Duration = Field(default=timedelta(0), description="seconds of the play after which it is online")
    published: Duration = Field(description='its date, relative to the play\'s start; not later than "appears"')
    title: str = Field(min_length=12, max_length=200)
    authors: tuple[str, ...] = Field(min_length=1)
    summary: str = Field(min_length=40, max_length=500)
    body: Paragraphs = Field(default=(), description="paragraphs between empty lines; one that begins with ## is a heading")
    copy_of: str | None = Field(default=None, description="outlet/slug of the article whose body this one carries")
    cut: tuple[int, ...] = Field(default=(), description="with copy_of: numbers, from 1, of paragraphs left out")
    added: Paragraphs = Field(default=(), description="with copy_of: paragraphs put at the end")
    page: PageKind = PageKind.NORMAL
    path: str | None = Field(default=None, pattern=r"^/\S+$", description="its address where it differs from the outlet's pattern")
    corrections: tuple[Correction, ...] = ()
    withdrawn: Withdrawal | None = None

    @property
    def key(self) -> str:
        """Name the article within the content."""
        return f"{self.outlet}/{self.slug}"

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.appears < timedelta(0):
            msg = "appears lies before the play's start"
            raise ValueError(msg)
        if self.published > self.appears:
            msg = "published lies after appears: the article would be online before its date"
            raise ValueError(msg)
        if bool(self.body) == (self.copy_of is not None):
            msg = "needs either a body or copy_of"
            raise ValueError(msg)
        if (self.cut or self.added) and self.copy_of is None:
            msg = "cut and added go with copy_of"
            raise ValueError(msg)
        times = [self.appears, *(correction.at for correction in self.corrections)]
        if self.withdrawn is not None:
            times.append(self.withdrawn.at)
        if any(later <= earlier for earlier, later in pairwise(times)):
            msg = "appears, corrections and withdrawn must follow each other in time"
            raise ValueError(msg)
        return self


class StoryPlan(Part):
    """One event and what outlets write about it, in one language or several."""

    name: Name
    kind: str = Field(pattern=r"^[a-z]+$", description="politics, economy, science, sport, disaster, …")
    event: Duration = Field(description="when it happened, relative to the play's start; {day} in a text is its weekday")
    confused_with: Name | None = Field(default=None, description="a story that resembles this one and is another event")
    facts: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description='words that show a fact ("212 passengers|212 people") and the outlet/slug of all that state it'
    )
    articles: tuple[ArticlePlan, ...] = Field(min_length=1)


class Content(Part):
    """All outlets and stories."""

    outlets: tuple[Outlet, ...]
    stories: tuple[StoryPlan, ...]

    def outlet(self, name: str) -> Outlet:
        """Give the outlet of a name. Raises `KeyError`."""
        for outlet in self.outlets:
            if outlet.name == name:
                return outlet
        raise KeyError(name)

    def articles(self) -> Iterator[tuple[StoryPlan, ArticlePlan]]:
        """Give every article with its story."""
        for story in self.stories:
            for article in story.articles:
                yield story, article


def body_of(article: ArticlePlan, story: StoryPlan) -> tuple[str, ...]:
    """Give an article's paragraphs as first published; a copy's are those of its original, cut and added to."""
    if article.copy_of is None:
        return article.body
    original = next(other for other in story.articles if other.key == article.copy_of)
    kept = (text for number, text in enumerate(original.body, start=1) if number not in article.cut)
    return (*kept, *article.added)


def load() -> Content:
    """Read the content that is shipped with this package. Raises `InvalidContent`."""
    return read(files(__package__))


def read(folder: Traversable) -> Content:
    """Read `outlets.toml` and `stories/*.toml` of a folder. Raises `InvalidContent` that names file and field."""
    outlets = tuple(_checked(Outlet, table, "outlets.toml") for table in _toml(folder / "outlets.toml").get("outlets", ()))
    entries = sorted((entry for entry in (folder / "stories").iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    stories = tuple(_checked(StoryPlan, {"name": entry.name.removesuffix(".toml"), **_toml(entry)}, entry.name) for entry in entries)
    content = Content(outlets=outlets, stories=stories)
    faults = list(_faults(content))
    if faults:
        raise InvalidContent("; ".join(faults))
    return content


def _toml(entry: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(entry.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{entry.name}: can't be read: {error}"
        raise InvalidContent(msg) from error
    except ValueError as error:
        msg = f"{entry.name}: not TOML in UTF-8: {error}"
        raise InvalidContent(msg) from error


def _checked(model: type[Model], table: object, file: str) -> Model:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        faults = (f"{file}: {'.'.join(str(step) for step in fault['loc']) or 'file'}: {fault['msg']}" for fault in error.errors())
        raise InvalidContent("; ".join(faults)) from error


def _faults(content: Content) -> Iterator[str]:
    """Find what no single file can show: names that lead nowhere or occur twice."""
    outlets = {outlet.name for outlet in content.outlets}
    yield from (f"outlets.toml: name: {name} occurs twice" for name in _repeated(outlet.name for outlet in content.outlets))
    yield from (f"stories: {key} occurs twice" for key in _repeated(article.key for _, article in content.articles()))
    yield from (
        f"outlets.toml: {outlet.name}.language: {outlet.language} has no dates and phrases; known are {', '.join(sorted(LANGUAGES))}"
        for outlet in content.outlets
        if outlet.language not in LANGUAGES
    )
    names = {story.name for story in content.stories}
    for story in content.stories:
        file = f"{story.name}.toml"
        if story.confused_with is not None and story.confused_with not in names:
            yield f"{file}: confused_with: there is no story {story.confused_with}"
        keys = {article.key for article in story.articles}
        for words, stated_by in story.facts.items():
            yield from (f"{file}: facts.{words}: there is no article {key}" for key in stated_by if key not in keys)
        for number, article in enumerate(story.articles):
            where = f"{file}: articles.{number}"
            if article.outlet not in outlets:
                yield f"{where}.outlet: there is no outlet {article.outlet}"
            if article.copy_of is not None and not any(
                other.key == article.copy_of and other.copy_of is None and other is not article for other in story.articles
            ):
                yield f"{where}.copy_of: the story has no such original {article.copy_of}"
                continue
            body = "\n".join(body_of(article, story))
            yield from (
                f"{where}: {text!r} is no placeholder" for text in re.findall(r"\{[^}]*\}?", body) if not PLACEHOLDER.fullmatch(text)
            )
            yield from _correction_faults(where, article, body)


def _correction_faults(where: str, article: ArticlePlan, body: str) -> Iterator[str]:
    for step, correction in enumerate(article.corrections):
        for old, new in correction.replace:
            if body.count(old) != 1:
                yield f"{where}.corrections.{step}.replace: {old!r} stands {body.count(old)} times in the body, not once"
            body = body.replace(old, new, 1)


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]
