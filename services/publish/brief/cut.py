"""Cuts headings out of sentences: 4 to 10 words that are a sentence themselves.

A cut begins where a sentence does (or after its opening phrase), leaves out a short insertion between commas, has a verb
with what belongs to it, and ends before a border that leaves the rest dispensable. It never cuts away a condition or a "not".
"""

from collections.abc import Iterator, Sequence

from services.publish.brief.heading import SIGNS_A_WORD, Heading, is_closed_heading, is_verb, read_heading
from services.publish.brief.lexicon import Lexicon
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.read import Reading, Statement
from services.publish.brief.words import IDEOGRAPHIC, Token

BORDER_GAIN = {"end": 0.25, "comma": 0.2, "strong": 0.2, "weak": 0.0, "loose": -0.1}
BORDER_WORDS = {"end": 0, "comma": 0, "strong": 0, "weak": 1, "loose": 3}
"""Words of weight after the verb from which a cut may end at a border."""
CONDITION_REACH = 6
"""Words after a cut among which there is no condition."""
INSERTION = 9
"""Words of an insertion between commas that is left out."""
OPENING_PHRASE = 9
"""Words of an opening phrase that is left out."""


def cut_headings(statement: Statement, article: Reading, limits: Limits = DEFAULT_LIMITS) -> Iterator[Heading]:
    """Cut a sentence at each safe border, so that what is left is a sentence of 4 to 10 words."""
    if article.source.language in IDEOGRAPHIC:
        yield from cut_clauses(statement.text, article, limits)
        return
    if article.lexicon.dangling:
        for kept, border in _cuts(statement.tokens, article, limits):
            text = _written(statement.text, kept)
            if (
                is_closed_heading(text)
                and not is_joined(statement.text, kept[-1])
                and not (border in _INNER and says_nothing(kept, article))
            ):
                yield Heading(text, read_heading(text, article), BORDER_GAIN[border])


def is_joined(text: str, last: Token) -> bool:
    """Say whether a cut would go through a word: "bans on gender-affirming care"."""
    return text[last.end : last.end + 1] in _JOINTS


_JOINTS = frozenset("-‑/'’&")


def _cuts(tokens: Sequence[Token], article: Reading, limits: Limits) -> Iterator[tuple[list[Token], str]]:
    """Give each cut's words and marks and the kind of border that ends it."""
    lexicon = article.lexicon
    start = find_subject(tokens, article)
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
        elif relative and is_verb(tokens, place, article):
            relative = low in lexicon.auxiliaries and low in lexicon.helpers
        elif is_verb(tokens, place, article):
            acts |= low not in lexicon.attributing
            verb, told = words, 0
        elif not token.word.stop and low not in lexicon.weekdays and low not in lexicon.months:
            told += 1
        whole = verb == words and tokens[place - 1].word.low in lexicon.helpers
        border = find_border(tokens, place, article) if acts and verb is not None and words >= limits.heading_min_words else None
        if lexicon.verb_late and border not in _WHOLE and not is_one_verb(tokens, start, place, lexicon):
            border = None
        ends = border is not None and (whole or told >= BORDER_WORDS[border]) and not (superlative and border in _INNER)
        if linked > (verb or 0) or (passed and border == "comma" and _is_told_more(tokens, place, lexicon)):
            ends = False
        if border in _INNER and (
            passed or _waits(kept, border, lexicon) or (whole and border != "strong" and low not in lexicon.intransitive)
        ):
            ends = False
        if border and ends and _ends_well(tokens, place, words, verb or 0, article) and not is_conditional(tokens, place, lexicon):
            yield list(kept), border
        place += 1


def _is_told_more(tokens: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Say whether an insertion about the last word follows: "shut down after workers, who had …"."""
    return place + 2 < len(tokens) and tokens[place + 2].word.low in lexicon.relatives


def is_one_verb(tokens: Sequence[Token], start: int, place: int, lexicon: Lexicon) -> bool:
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


def says_nothing(tokens: Sequence[Token], article: Reading) -> bool:
    """Say whether no verb follows the last verb of saying: "Adam Schiff says Trump"."""
    lexicon = article.lexicon
    told = max((at for at, token in enumerate(tokens) if at and token.word.low in lexicon.attributing and not token.quoted), default=-1)
    return 0 <= told < len(tokens) - 1 and not any(is_verb(tokens, at, article) for at in range(told + 1, len(tokens)))


def find_subject(tokens: Sequence[Token], article: Reading) -> int | None:
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
    if not word.capital and word.low in lexicon.auxiliaries:
        # "Under the rules, set to take effect …"
        return None
    if word.stop and word.low not in lexicon.determiners and word.value is None:
        return None
    return place


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


def find_border(tokens: Sequence[Token], place: int, article: Reading) -> str | None:
    """Give the kind of border that follows a word: end, comma, strong, weak or loose; None if a cut can't end there."""
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


def is_conditional(tokens: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Say whether a condition or limit follows a cut, without which it would say too much."""
    return any(token.word.low in lexicon.conditions for token in tokens[place + 1 : place + 1 + CONDITION_REACH])


def _ends_well(tokens: Sequence[Token], place: int, words: int, verb: int, article: Reading) -> bool:
    """Say whether a cut can end with a word: not with one that waits for another, nor with a verb that lacks its object."""
    lexicon = article.lexicon
    word = tokens[place].word
    if word.low in lexicon.dangling or word.low in lexicon.speech or word.low in lexicon.auxiliaries:
        return False
    after_copula = any(token.word.low in lexicon.copulas for token in tokens[max(0, place - 2) : place])
    if after_copula and verb != words and find_border(tokens, place, article) in _INNER:
        return False
    if lexicon.language == "en" and word.low.endswith("ly") and find_border(tokens, place, article) in _INNER:
        return False
    inner = find_border(tokens, place, article) in _INNER
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


def cut_clauses(text: str, article: Reading, limits: Limits) -> Iterator[Heading]:
    """Give the clauses of a Chinese or Japanese sentence that have a heading's length."""
    low, high = limits.heading_min_words * SIGNS_A_WORD - 1, limits.heading_max_words * SIGNS_A_WORD + 2
    held = ""
    for sign in text:
        if sign in "，。；：！？、,;:!?「」“”":
            if low <= len(held.strip()) <= high:
                yield Heading(held.strip(), read_heading(held, article), 0.0)
            held = ""
        else:
            held += sign
    if low <= len(held.strip()) <= high:
        yield Heading(held.strip(), read_heading(held, article), 0.0)
