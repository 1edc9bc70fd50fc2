"""Finds a section's heading: a title or a cut of a sentence, 4 to 10 words, that says what the section says.

A cut begins where a sentence does (or after its opening phrase), leaves out a short insertion between commas, has a verb
with what belongs to it, and ends before a border that leaves the rest dispensable. It never cuts away a condition or a "not".
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from services.publish.brief.lexicon import Lexicon
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.marks import Marks, mark
from services.publish.brief.read import Reading, Statement
from services.publish.brief.select import Candidate
from services.publish.brief.split import is_closed
from services.publish.brief.support import check
from services.publish.brief.words import IDEOGRAPHIC, NO_WORD, Token, Word, letters_only, tokenise

TITLE_GAIN = 0.35
"""A title is written to be read alone."""
NAME_LOSS = -0.3
"""A title without a verb names something and tells nothing."""
BORDER_GAIN = {"end": 0.25, "comma": 0.2, "strong": 0.2, "weak": 0.0, "loose": -0.1}
LEAD_OTHERS = 0.4
"""What the first section's other sentences count for its heading, which is to say what the first one says."""
ECHO_LOSS = 0.35
"""Loss of a heading that the section's first sentence begins with."""
HEADLINE_SHARE = 0.7
"""Share of a heading's weight that the headline may have; for the first section, which tells what the headline does, more."""
LEAD_HEADLINE_SHARE = 0.9
HEADLINE_LOSS = 0.4
"""Loss of a heading that the headline has whole."""
TAKEN_SHARE = 0.5
"""Share of a heading's terms that an earlier heading may have."""
COVERED = 0.7
"""Share of a heading's weight that the section's sentences must contain."""
BORDER_WORDS = {"end": 0, "comma": 0, "strong": 0, "weak": 1, "loose": 3}
"""Words of weight after the verb from which a cut may end at a border."""
CONDITION_REACH = 6
"""Words after a cut among which there is no condition."""
ABOUT = 0.5
"""Share of a heading's weight that the section must contain where no heading is contained whole."""
INSERTION = 9
"""Words of an insertion between commas that is left out."""
OPENING_PHRASE = 9
"""Words of an opening phrase that is left out."""
TITLE_CASE = 0.35
"""Share of a title's words with a capital from which its capitals say nothing."""
_QUOTES = str.maketrans("", "", '"“”„«»‘')
SIGNS_A_WORD = 2
"""Signs that count as one word in Chinese and Japanese."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that may be used."""

    text: str
    marks: Marks
    gain: float


def choose_heading(
    members: Sequence[Candidate],
    spare: Sequence[Candidate],
    headline: str,
    taken: Iterable[Heading],
    titles: Sequence[Sequence[Heading]],
    readings: Sequence[Reading],
    limits: Limits = DEFAULT_LIMITS,
    *,
    lead: bool = False,
) -> Heading | None:
    """Choose the heading that says most of a section and repeats neither the headline nor another heading; None if none is fit."""
    section: dict[str, float] = {}
    for member in members:
        part = LEAD_OTHERS if lead and member is not members[0] else 1.0
        for term, weight in member.profile.items():
            section[term] = section.get(term, 0.0) + weight * part
    norm = sum(weight * weight for weight in section.values()) ** 0.5 or 1.0
    passage = [member.statement.marks for member in members]
    first = letters_only(members[0].statement.text).strip()
    headline_marks = _read(headline, members[0].article)
    same = letters_only(headline).strip()
    most = LEAD_HEADLINE_SHARE if lead else HEADLINE_SHARE
    options: list[tuple[float, Heading, Reading]] = []
    seen: set[str] = {same, first} if len(members) == 1 else {same}
    taken = list(taken)
    for heading, article in _options(members, spare, titles, readings, limits):
        letters = letters_only(heading.text).strip()
        if letters in seen or not heading.marks.weight or not _has_length(heading.text, article, limits):
            continue
        seen.add(letters)
        echoed = _share(heading.marks, headline_marks)
        if echoed > most or any(_share(heading.marks, other.marks) > TAKEN_SHARE for other in taken):
            continue
        value = heading.gain + sum(section.get(term, 0.0) for term in heading.marks.terms) / (norm * len(heading.marks.terms) ** 0.5)
        value -= HEADLINE_LOSS * echoed + (ECHO_LOSS if first.startswith(letters) else 0.0)
        options.append((value, heading, article))
    options.sort(key=lambda option: -option[0])
    for wanted in (passage[:1], passage) if lead else (passage,):
        for _, heading, article in options:
            if _says(heading.marks, wanted, article, limits):
                return heading
    return next((heading for _, heading, _ in options if _fits(heading.marks, passage)), None)


def count_words(heading: str) -> int:
    """Count a heading's words; a dash is none."""
    return sum(any(sign.isalnum() for sign in word) for word in heading.split())


def clip_heading(members: Sequence[Candidate], headline: str, readings: Sequence[Reading], limits: Limits = DEFAULT_LIMITS) -> Heading:
    """Give the first section a heading where none is fit: a title, or a sentence's first words, cut where it hurts least."""
    first = members[0]
    titles = [readings[place].title.text for place in first.stated_by]
    lines = [*titles, *(part.strip() for title in titles for part in _parts(title))]
    start = _start(first.statement.tokens, first.article) if not first.article.lexicon.verb_late else None
    if start is not None:
        lines.append(first.statement.text[first.statement.tokens[start].start :])
    lines.append(first.statement.text)
    best = ""
    same = letters_only(headline).strip()
    sizes = (limits.heading_max_words, limits.heading_max_words - 2, limits.heading_max_words - 4)
    for rough in (False, True):
        for line, most in ((line, most) for most in sizes for line in lines if not _opens_badly(line, first.article)):
            clipped = _clip(line, first.article, replace(limits, heading_max_words=most), rough=rough)
            told = clipped and _tells(tokenise(clipped, first.article.source.language), first.article)
            if told and letters_only(clipped).strip() != same and count_words(clipped) >= limits.heading_min_words:
                clipped = clipped[:1].upper() + clipped[1:]
                return Heading(clipped, _read(clipped, first.article), 0.0)
            best = best or (clipped if letters_only(clipped).strip() != same else "")
    text = best or _first_words(first.statement.text, limits)
    return Heading(text, _read(text, first.article), 0.0)


def _first_words(text: str, limits: Limits) -> str:
    """Give as many words as a heading has, without quotation marks, to the last comma that leaves enough of them."""
    kept = " ".join(text.translate(_QUOTES).split()[: limits.heading_max_words])
    whole = kept.rpartition(",")[0]
    kept = whole if count_words(whole) >= limits.heading_min_words else kept
    return kept[: limits.heading_max_words * 8].rstrip(" ,;:-–—")


def _opens_badly(line: str, article: Reading) -> bool:
    """Say whether a line lacks its subject or asks: "Says Trump deserves credit"."""
    low = next((token.word.low for token in tokenise(line, article.source.language) if not token.mark), "")
    return low in article.lexicon.questions or low in article.lexicon.attributing


def _clip(line: str, article: Reading, limits: Limits, *, rough: bool) -> str:
    """Give a line's first words, as many as a heading has, up to a border; if `rough`, at least not up to a word that waits for another."""
    tokens = tokenise(line, article.source.language)
    if article.source.language in IDEOGRAPHIC:
        return line[: limits.heading_max_words * SIGNS_A_WORD].rstrip("，。、,. ")
    words = 0
    whole = cut_roughly = ""
    for place, token in enumerate(tokens):
        if token.mark:
            continue
        words += 1
        if words > limits.heading_max_words:
            break
        if words >= limits.heading_min_words and not token.word.stop and token.word.low not in article.lexicon.dangling:
            parted = article.lexicon.verb_late and not _is_one_verb(tokens, 0, place, article.lexicon)
            cut = line[: token.end].strip()
            if _says_nothing(tokens[: place + 1], article) or _is_joined(line, token):
                continue
            cut_roughly = cut if _is_closed(cut) else cut_roughly
            if (
                _is_closed(cut)
                and not (parted and place + 1 < len(tokens))
                and (place + 1 == len(tokens) or _border(tokens, place, article) is not None or tokens[place + 1].mark)
            ):
                whole = cut
    return whole or (cut_roughly if rough else "")


def cut_headings(statement: Statement, article: Reading, limits: Limits = DEFAULT_LIMITS) -> Iterator[Heading]:
    """Cut a sentence at each safe border, so that what is left is a sentence of 4 to 10 words."""
    if article.source.language in IDEOGRAPHIC:
        yield from _cut_clauses(statement.text, article, limits)
        return
    if article.lexicon.dangling:
        for kept, border in _cuts(statement.tokens, article, limits):
            text = _written(statement.text, kept)
            if _is_closed(text) and not _is_joined(statement.text, kept[-1]) and not (border in _INNER and _says_nothing(kept, article)):
                yield Heading(text, _read(text, article), BORDER_GAIN[border])


def _is_joined(text: str, last: Token) -> bool:
    """Say whether a cut would go through a word: "bans on gender-affirming care"."""
    return text[last.end : last.end + 1] in _JOINTS


_JOINTS = frozenset("-‑/'’&")


def headings_of_titles(readings: Sequence[Reading], limits: Limits = DEFAULT_LIMITS) -> list[list[Heading]]:
    """Give the headings that each article's title makes."""
    names = frozenset[str]().union(*(reading.known for reading in readings))
    small = frozenset[str]().union(*(reading.small for reading in readings))
    return [list(title_headings(reading, names, small, limits)) for reading in readings]


def title_headings(article: Reading, names: frozenset[str], small: frozenset[str], limits: Limits = DEFAULT_LIMITS) -> Iterator[Heading]:
    """Give an article's title, or its parts between colons and dashes, as headings if their length is right."""
    title = _LABEL.sub("", article.title.text)
    if article.source.language in IDEOGRAPHIC:
        yield from _cut_clauses(title, article, limits)
        return
    if title.rstrip().endswith(("…", "...", "?")) or "?" in title:
        return
    parts = [part.strip(" |–—-:") for part in _parts(title)]
    for part in parts if len(parts) > 1 else [title]:
        words = len(part.split())
        if words < limits.heading_min_words:
            continue
        if words > limits.heading_max_words:
            yield from _cut_title(_sentence_case(part, article, names, small), article, limits)
            continue
        tokens = tokenise(part, article.source.language)
        lows = [token.word.low for token in tokens if not token.mark]
        lexicon = article.lexicon
        if not lows or lows[0] in lexicon.openers or lows[0] in lexicon.needs_context or lows[-1] in lexicon.dangling:
            continue
        opens_late = lows[0] in lexicon.borders | lexicon.weak_borders and "," not in part
        if opens_late or lows[0] in lexicon.questions or lows[0] in lexicon.attributing:
            continue
        if not _is_closed(part) or {*lows} & (lexicon.first_person | lexicon.second_person):
            continue
        text = _sentence_case(part, article, names, small)
        whole = _tells(tokens, article)
        if whole or len(parts) == 1:
            yield Heading(text, _read(text, article), TITLE_GAIN if whole else NAME_LOSS)


def tells(heading: str, article: Reading) -> bool:
    """Say whether a heading has a verb, where the language's are known."""
    return _tells(tokenise(heading, article.source.language), article)


def _tells(tokens: Sequence[Token], article: Reading) -> bool:
    lexicon = article.lexicon
    return lexicon.language != "en" or any(
        _is_verb(tokens, at, article) or _acts_in_titles(tokens, at, lexicon) for at in range(len(tokens))
    )


def _acts_in_titles(tokens: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Say whether a title's word may be its verb: "Germany rejects recognition", "Treasury deputy to leave"."""
    low = tokens[place].word.low
    if place and (low in lexicon.infinitives or f"{low}s" in lexicon.auxiliaries or f"{low}es" in lexicon.auxiliaries):
        return True
    return lexicon.language == "en" and place > 0 and len(low) > 3 and low.endswith("s") and not low.endswith(("ss", "us", "'s"))


def _cut_title(title: str, article: Reading, limits: Limits) -> Iterator[Heading]:
    """Cut a long title before "as", "after" and the like."""
    lexicon = article.lexicon
    tokens = tokenise(title, article.source.language)
    words = 0
    for place, token in enumerate(tokens[:-1]):
        words += not token.mark
        if words > limits.heading_max_words or token.mark in _STOPS:
            return
        after = tokens[place + 1]
        listed = after.mark == "," and token.word.capital and place + 2 < len(tokens) and tokens[place + 2].word.capital
        border = after.word.low in (lexicon.borders | lexicon.title_borders) or after.mark in _STOPS or (after.mark == "," and not listed)
        if (
            words >= limits.heading_min_words
            and border
            and not token.mark
            and not token.word.stop
            and token.word.low not in lexicon.dangling
            and (not lexicon.verb_late or _is_one_verb(tokens, 0, place, lexicon))
        ):
            cut = title[: token.end].strip()
            if _is_closed(cut) and not _is_conditional(tokens, place, lexicon) and _tells(tokens[: place + 1], article):
                yield Heading(cut, _read(cut, article), TITLE_GAIN)


_STOPS = frozenset(";:–—")


_LABEL = re.compile(r"^\s*[(\[][^)\]]{1,30}[)\]]\s*")
"""A label before a title: "(News Focus)"."""


def _has_length(text: str, article: Reading, limits: Limits) -> bool:
    return article.source.language in IDEOGRAPHIC or limits.heading_min_words <= count_words(text) <= limits.heading_max_words


def _options(
    members: Sequence[Candidate],
    spare: Sequence[Candidate],
    titles: Sequence[Sequence[Heading]],
    readings: Sequence[Reading],
    limits: Limits,
) -> Iterator[tuple[Heading, Reading]]:
    cited: set[int] = set()
    for member in members:
        cited.update(member.stated_by)
        for heading in cut_headings(member.statement, member.article, limits):
            yield heading, member.article
    for place in sorted(cited):
        for heading in titles[place]:
            yield heading, readings[place]
    terms = {term for member in members for term in member.statement.marks.terms}
    for other in spare:
        if other.place in cited and len(terms & other.statement.marks.terms.keys()) >= 3:
            for heading in cut_headings(other.statement, other.article, limits):
                yield heading, other.article


def _read(text: str, article: Reading) -> Marks:
    return mark(text, tokenise(text, article.source.language), article.lexicon, article.known, article.halves, None)


def _share(marks: Marks, other: Marks) -> float:
    return sum(weight for term, weight in marks.terms.items() if term in other.terms) / (marks.weight or 1.0)


def _says(heading: Marks, passage: Sequence[Marks], article: Reading, limits: Limits) -> bool:
    """Say whether the section's sentences contain the heading, by the check that citations pass."""
    core = max(passage, key=lambda marks: _share(heading, marks))
    share = sum(w for term, w in heading.terms.items() if any(term in marks.terms for marks in passage)) / heading.weight
    return share >= COVERED and check(heading, [core], article, [], core, limits)[1] is None


def _fits(heading: Marks, passage: Sequence[Marks]) -> bool:
    """Say whether a heading, which a cited article states, is about what the section says, and has no number that it lacks."""
    share = sum(w for term, w in heading.terms.items() if any(term in marks.terms for marks in passage)) / heading.weight
    figures = {figure.value for marks in passage for figure in marks.figures}
    return share >= ABOUT and all(figure.value in figures for figure in heading.figures)


def _cuts(tokens: Sequence[Token], article: Reading, limits: Limits) -> Iterator[tuple[list[Token], str]]:
    """Give each cut's words and marks and the kind of border that ends it."""
    lexicon = article.lexicon
    start = _start(tokens, article)
    if start is None:
        return
    kept: list[Token] = []
    words = 0
    verb: int | None = None
    told = 0
    acts = superlative = relative = passed = False
    linked = 0
    place = start
    while place < len(tokens):
        token = tokens[place]
        low = token.word.low
        if token.mark:
            if token.mark == "," and verb is None and kept:
                resumed = _after_insertion(tokens, place, lexicon)
                if resumed is None:
                    return
                place = resumed
                continue
            if token.mark in ",;:–—()":
                return
            kept.append(token)
            place += 1
            continue
        if words and not token.quoted and _is_loose(tokens, start, place, lexicon):
            return
        if low in lexicon.first_person or low in lexicon.second_person:
            return
        kept.append(token)
        words += 1
        if words > limits.heading_max_words:
            return
        superlative |= _is_superlative(token, lexicon)
        passed |= words > 1 and (low in lexicon.borders or low in lexicon.title_borders)
        if words > 1 and low in lexicon.linking:
            linked = words
        if verb is None and words > 1 and low in lexicon.relatives:
            relative = True
        elif relative and _is_verb(tokens, place, article):
            relative = low in lexicon.auxiliaries and low in lexicon.helpers
        elif _is_verb(tokens, place, article):
            acts |= low not in lexicon.attributing
            verb, told = words, 0
        elif not token.word.stop and low not in lexicon.weekdays and low not in lexicon.months:
            told += 1
        whole = verb == words and tokens[place - 1].word.low in lexicon.helpers
        border = _border(tokens, place, article) if acts and verb is not None and words >= limits.heading_min_words else None
        if lexicon.verb_late and border not in _WHOLE and not _is_one_verb(tokens, start, place, lexicon):
            border = None
        ends = border is not None and (whole or told >= BORDER_WORDS[border]) and not (superlative and border in _INNER)
        if linked > (verb or 0) or (passed and border == "comma" and _is_told_more(tokens, place, lexicon)):
            ends = False
        if border in _INNER and (
            passed or _waits(kept, border, lexicon) or (whole and border != "strong" and low not in lexicon.intransitive)
        ):
            ends = False
        if border and ends and _ends_well(tokens, place, words, verb or 0, article) and not _is_conditional(tokens, place, lexicon):
            yield list(kept), border
        place += 1


def _is_told_more(tokens: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Say whether an insertion about the last word follows: "shut down after workers, who had …"."""
    return place + 2 < len(tokens) and tokens[place + 2].word.low in lexicon.relatives


def _is_one_verb(tokens: Sequence[Token], start: int, place: int, lexicon: Lexicon) -> bool:
    """Say whether a German or Dutch clause has no half of its verb at its end, behind a cut: it ends with a noun or number."""
    if not lexicon.holders or any(token.word.low in lexicon.holders for token in tokens[start : place + 1]):
        return False
    end = next((at for at in range(place + 1, len(tokens)) if tokens[at].mark in _CLAUSE_ENDS), len(tokens))
    last = tokens[end - 1].word
    if lexicon.nouns_capital:
        return last.capital or last.value is not None
    return last.low not in lexicon.halves and not last.low.startswith("ge") and not last.low.endswith("en")


_CLAUSE_ENDS = frozenset(",;:–—")


def _waits(kept: Sequence[Token], border: str, lexicon: Lexicon) -> bool:
    """Say whether a cut's end waits for what a preposition would tell: "shared a video", "issued a statement", "a link between the two"."""
    low = kept[-1].word.low
    if low in lexicon.vague or low.endswith(lexicon.adjective_endings):
        return True
    if border != "strong" and len(kept) > 1 and kept[-2].word.low in lexicon.loose_articles:
        return True
    pair = next((at for at, token in enumerate(kept) if token.word.low in lexicon.pair_words), None)
    return pair is not None and not any(token.word.low in lexicon.loose_borders for token in kept[pair:])


def _says_nothing(tokens: Sequence[Token], article: Reading) -> bool:
    """Say whether no verb follows the last verb of saying: "Adam Schiff says Trump"."""
    lexicon = article.lexicon
    told = max((at for at, token in enumerate(tokens) if at and token.word.low in lexicon.attributing and not token.quoted), default=-1)
    return 0 <= told < len(tokens) - 1 and not any(_is_verb(tokens, at, article) for at in range(told + 1, len(tokens)))


def _start(tokens: Sequence[Token], article: Reading) -> int | None:
    """Give the place of a sentence's subject: its beginning, or what follows its opening phrase."""
    lexicon = article.lexicon
    first = tokens[0]
    if first.mark or first.quoted:
        return None
    place = 0
    low = first.word.low
    second = tokens[1].word.low if len(tokens) > 1 else ""
    opening = lexicon.borders | lexicon.weak_borders | lexicon.conditions
    participle = lexicon.language == "en" and len(low) > 4 and low.endswith(("ing", "ly"))
    if (low in opening and second not in lexicon.least) or participle or (first.word.stop and second in opening):
        place = next((at + 1 for at in range(min(len(tokens), OPENING_PHRASE + 1)) if tokens[at].mark == ","), 0)
        if not place or place >= len(tokens) or tokens[place].mark or tokens[place].quoted:
            return None
    word = tokens[place].word
    if word.low in lexicon.openers or word.low in lexicon.needs_context or word.low in lexicon.subjects:
        return None
    if word.stop and word.low not in lexicon.determiners and word.value is None:
        return None
    return place


def _is_participle(low: str, lexicon: Lexicon) -> bool:
    return lexicon.language == "en" and len(low) > 4 and low.endswith(("ing", "ly"))


def _is_loose(tokens: Sequence[Token], start: int, place: int, lexicon: Lexicon) -> bool:
    """Say whether a word points to someone or something that a heading does not name; "his" after a name does not."""
    low = tokens[place].word.low
    if low in lexicon.possessives:
        return False
    if low in lexicon.subjects:
        named = (token.word for token in tokens[start:place] if token.word.capital and not token.word.stop)
        return all(lexicon.place_terms.issuperset(word.terms) for word in named)
    return low in lexicon.openers and not (low in lexicon.linking and tokens[place - 1].word.low in lexicon.speech)


def _is_superlative(token: Token, lexicon: Lexicon) -> bool:
    low = token.word.low
    return (
        low in lexicon.superlatives
        or low in {"last", "most"}
        or (lexicon.language == "en" and len(low) > 4 and low.endswith("est") and not token.word.capital)
    )


def _after_insertion(tokens: Sequence[Token], comma: int, lexicon: Lexicon) -> int | None:
    """Give the place after a short insertion between commas that says who or what was named: ", a Republican,"."""
    if comma + 1 >= len(tokens):
        return None
    opens = tokens[comma + 1].word
    if not (opens.low in lexicon.determiners or opens.low in lexicon.relatives or opens.capital or opens.value is not None):
        return None
    for at in range(comma + 2, min(len(tokens), comma + INSERTION + 2)):
        if tokens[at].mark == ",":
            return at + 1
        if tokens[at].mark:
            return None
    return None


def _is_verb(tokens: Sequence[Token], place: int, article: Reading) -> bool:
    lexicon = article.lexicon
    word = tokens[place].word
    if word.low in lexicon.auxiliaries or word.low in lexicon.speech or word.low in lexicon.intransitive:
        return not (word.capital and word.low in article.known)
    if word.capital or word.stop:
        return False
    before = tokens[place - 1].word if place else NO_WORD
    if lexicon.verb_endings and len(word.low) > 4 and word.low.endswith(lexicon.verb_endings):
        return not before.stop or before.low in lexicon.auxiliaries or before.low in lexicon.subjects
    return lexicon.language == "en" and place + 1 < len(tokens) and _acts_in_english(before, word, tokens[place + 1].word)


def _acts_in_english(before: Word, word: Word, after: Word) -> bool:
    """Say whether a word between its subject and a determiner or preposition is a verb: "Seoul wants the", "restrictions date from"."""
    if not after.stop or not after.low or len(word.low) < 3 or before.stop or not before.low:
        return False
    if word.low.endswith("s"):
        return False
    return before.low.endswith("s") and not before.low.endswith("ss") and not word.low.endswith(("ing", "ed", "ly"))


def _border(tokens: Sequence[Token], place: int, article: Reading) -> str | None:
    after = place + 1
    if after >= len(tokens):
        return "end"
    token = tokens[after]
    if after + 1 < len(tokens) and tokens[place].word.capital and tokens[after + 1].word.capital and token.word.low in _IN_NAMES:
        return None
    if token.mark:
        return "comma" if token.mark in ",;:–—(" else None
    if token.word.low in article.lexicon.borders:
        return "strong"
    low = token.word.low
    if low in article.lexicon.weak_borders or (
        article.lexicon.language == "en"
        and low.endswith("ing")
        and len(low) > 5
        and not token.word.capital
        and low not in article.lexicon.ing_nouns
    ):
        return "weak"
    return "loose" if low in article.lexicon.loose_borders else None


_IN_NAMES = frozenset({"of", "and", "for", "de", "del", "der", "und", "y", "e", "et", "van", "von"})
_WHOLE = frozenset({"end", "comma"})
"""Borders that German and Dutch keep: a verb's other half stands at the clause's end."""
_INNER = frozenset({"strong", "weak", "loose"})
"""Borders that a superlative forbids: "the highest bridge" is another one than "the highest bridge in Oru"."""


def _is_conditional(tokens: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Say whether a condition or limit follows a cut, without which it would say too much."""
    return any(token.word.low in lexicon.conditions for token in tokens[place + 1 : place + 1 + CONDITION_REACH])


def _ends_well(tokens: Sequence[Token], place: int, words: int, verb: int, article: Reading) -> bool:
    """Say whether a cut can end with a word: not with one that waits for another, nor with a verb that lacks its object."""
    lexicon = article.lexicon
    word = tokens[place].word
    if word.low in lexicon.dangling or word.low in lexicon.speech or word.low in lexicon.auxiliaries:
        return False
    after_copula = any(token.word.low in lexicon.copulas for token in tokens[max(0, place - 2) : place])
    if after_copula and verb != words and _border(tokens, place, article) in _INNER:
        return False
    if lexicon.language == "en" and word.low.endswith("ly") and _border(tokens, place, article) in _INNER:
        return False
    inner = _border(tokens, place, article) in _INNER
    if inner and word.value is not None:
        return False
    helper = tokens[place - 1].word.low if place else ""
    if inner and helper in lexicon.auxiliaries and helper not in lexicon.helpers and word.low not in lexicon.intransitive:
        return False
    if word.low in lexicon.units and place + 1 < len(tokens) and not tokens[place + 1].mark:
        return False
    if place and tokens[place - 1].word.low in lexicon.infinitives and place + 1 < len(tokens) and not tokens[place + 1].mark:
        return False
    if (word.stop and word.value is None) or word.low in lexicon.titles:
        return False
    if verb == words and word.low not in lexicon.intransitive:
        helper = tokens[place - 1].word.low if place else ""
        return helper in lexicon.helpers
    if word.low in lexicon.weekdays or word.low in lexicon.months:
        return tokens[place - 1].word.low in lexicon.weak_borders
    return True


def _written(text: str, kept: Sequence[Token]) -> str:
    """Write a cut's words as the sentence has them, without what was left out between them."""
    pieces: list[str] = []
    end = kept[0].start
    for token in kept:
        gap = text[end : token.start]
        pieces.append(gap if len(gap) <= 1 or gap.isspace() else (gap if not any(sign in gap for sign in ",") else " "))
        pieces.append(text[token.start : token.end])
        end = token.end
    written = "".join(pieces).strip()
    return written[:1].upper() + written[1:]


def _is_closed(text: str) -> bool:
    return is_closed(text) and text.count("‘") <= text.count("’") and not (text[:1] == "'" and text.count("'") < 2)


def _parts(title: str) -> list[str]:
    parts = [title]
    for sign in (" | ", " — ", " – ", " - ", ": ", "; "):
        parts = [piece for part in parts for piece in part.split(sign)]
    return parts


def _sentence_case(title: str, article: Reading, names: frozenset[str], small: frozenset[str]) -> str:
    """Write an English title with capitals for names alone, as the headings that are cut from sentences have them."""
    written = title[:1].upper() + title[1:]
    if article.source.language != "en":
        return written
    tokens = [token for token in tokenise(title, article.source.language) if not token.mark]
    long = [token for token in tokens if token.end - token.start > 3]
    cased = sum(token.word.capital for token in long) >= TITLE_CASE * len(long)
    for at, token in enumerate(tokens[1:], 1):
        piece = title[token.start : token.end]
        low = token.word.low
        if not token.word.capital or piece[1:] != piece[1:].lower() or low in article.lexicon.dates:
            continue
        followed = tokens[at + 1].word.low in names if at + 1 < len(tokens) else False
        lowered = low not in names and (cased or low in small)
        if token.word.stop or lowered or (cased and low in article.lexicon.weak and not followed):
            written = written[: token.start] + piece.lower() + written[token.end :]
    return written


def _cut_clauses(text: str, article: Reading, limits: Limits) -> Iterator[Heading]:
    """Give the clauses of a Chinese or Japanese sentence that have a heading's length."""
    low, high = limits.heading_min_words * SIGNS_A_WORD - 1, limits.heading_max_words * SIGNS_A_WORD + 2
    held = ""
    for sign in text:
        if sign in "，。；：！？、,;:!?「」“”":
            if low <= len(held.strip()) <= high:
                yield Heading(held.strip(), _read(held, article), 0.0)
            held = ""
        else:
            held += sign
    if low <= len(held.strip()) <= high:
        yield Heading(held.strip(), _read(held, article), 0.0)
