"""What an erased article could be known by, and whether bytes hold any of it. Pure."""

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final
from uuid import UUID

from shared.contracts import Article

SHORTEST: Final = 24
"""Characters of a passage that tells whose it is."""
PASSAGE: Final = 60
PASSAGES: Final = 60
"""Passages of one text that are looked for: its first ones, for they are what briefs and feeds quote."""
FEW: Final = 500
"""Passages that are looked for one by one."""
_URLS: Final = re.compile(r'https?://[^\s"\\<>]+')
_ENDS: Final = re.compile(r'[.!?;:"“”„»«\\\n\r\t。！？]+')
_STRINGS: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_IDS: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(slots=True)
class Needles:
    """Ids, and passages of titles, URLs and texts. `others`: passages that other articles have too, so they prove nothing."""

    ids: set[UUID] = field(default_factory=set)
    titles: set[str] = field(default_factory=set)
    passages: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)

    def add(self, article: Article) -> None:
        """Know a version of an article."""
        self.ids.add(article.article_id)
        self.add_title(article.title)
        self.passages.update(url for url in (article.url, article.canonical_url) if len(url) >= SHORTEST)
        for text in (article.summary, article.text):
            self.passages.update(passages(text))

    def add_title(self, title: str) -> None:
        """Know a title: whole too, for its parts may be short or others' while a story's headline has it all."""
        if title:
            self.titles.add(title)
            self.passages.update((*passages(title), *([title] if len(title) >= SHORTEST else [])))

    @property
    def sought(self) -> list[str]:
        """List the passages that are the erased articles' alone."""
        return sorted(self.passages - self.others)

    def content(self) -> "Finder":
        """Give what finds them in bytes."""
        return Finder(self.ids, self.sought)


def passages(text: str) -> Iterator[str]:
    """Cut a text into passages that are long enough to be its own, without what JSON or SQL would write otherwise."""
    found = 0
    for part in _ENDS.split(text):
        passage = part.strip()[:PASSAGE].strip()
        if len(passage) >= SHORTEST:
            yield passage
            found += 1
            if found == PASSAGES:
                return


class Finder:
    """Finds ids and passages in the bytes of a record.

    A few passages are looked for wherever they stand. Of many, as of a whole outlet, each is found where a sentence, a title or a URL
    begins with it, or a string of JSON is it, which costs the same however many there are.
    """

    def __init__(self, ids: Iterable[UUID], sought: Iterable[str]) -> None:
        """Prepare the search."""
        wanted = list(sought)
        self._ids = frozenset(str(one).encode() for one in ids)
        forms = {
            form: passage
            for passage in wanted
            for form in (passage, json.dumps(passage, ensure_ascii=False)[1:-1], json.dumps(passage)[1:-1])
        }
        self._begun = forms if len(wanted) > FEW else None
        self._forms = [] if self._begun is not None else [(form.encode("utf-8", "replace"), passage) for form, passage in forms.items()]

    def passage_in(self, value: bytes) -> str | None:
        """Give the first passage found, None where there is none."""
        return next(self.passages_in(value), None)

    def passages_in(self, value: bytes) -> Iterator[str]:
        """Give all passages found."""
        if self._begun is None:
            yield from (passage for form, passage in self._forms if form in value)
            return
        text = value.decode(errors="replace")
        begun = chain((part.strip()[:PASSAGE].strip() for part in _ENDS.split(text)), _URLS.findall(text), _STRINGS.findall(text))
        yield from (self._begun[form] for form in begun if form in self._begun)

    def id_in(self, value: bytes) -> bool:
        """Say whether one of the ids is named."""
        return not self._ids.isdisjoint(_IDS.findall(value))


def inner(value: bytes) -> bytes:
    """Give a dead letter's bytes with those of the input that it holds."""
    try:
        letter: Any = json.loads(value)
        held = [b64decode(letter[name]) for name in ("key", "value") if isinstance(letter.get(name), str)]
    except (ValueError, AttributeError):
        return value
    return b"\n".join((value, *held))
