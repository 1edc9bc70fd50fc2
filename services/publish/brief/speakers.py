"""Finds who speaks in a sentence and what is quoted in it."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from services.publish.brief.lexicon import Lexicon
from services.publish.brief.words import ENDING, NO_WORD, OPENING, Token, letters_only

SPEAKER_REACH = 10
"""Tokens before a verb of saying where its speaker stands."""
APPOSITION_REACH = 18
"""The same where a comma before the verb ends what was inserted after the speaker's name."""
INVERTED_REACH = 8
"""Tokens after a verb of saying where its speaker stands ("…, said the mayor of Oru")."""
BRACKETED = 4
"""Words in brackets between a speaker and the verb of saying."""
CLAUSE_MARKS = frozenset(",;:–—()")

_QUOTED = re.compile(
    r"“([^“”]*)”|«([^«»]*)»|„([^„“”]*)[“”]|\"([^\"]*)\"|「([^「」]*)」|『([^『』]*)』"
    r"|(?<!\w)[‘']((?:[^‘’']|['’](?=\w)){2,200})[’'](?!\w)"
)
_QUOTE_MARK = re.compile(r"[“”\"«»„「」『』‘']")
_OMISSION = re.compile(r"\[[^\]]*\]|\([^)]*\)|…|\.\.\.")


class Speaker(NamedTuple):
    """Who speaks in a sentence: terms, and whether it is a pronoun, a body, an authority, or a party."""

    terms: frozenset[str]
    pronoun: bool
    body: bool
    official: bool
    partisan: bool


_NONE: frozenset[str] = frozenset()
NOBODY = Speaker(_NONE, False, False, False, False)


def find_speakers(tokens: Sequence[Token], said: Sequence[int], lexicon: Lexicon) -> Speaker:
    """Give the terms where a verb of saying has its speaker, and whether a pronoun, a body, an authority or a party stands there."""
    speakers: set[str] = set()
    pronoun = official = partisan = bodies = False
    for place in said:
        zone = [tokens[at] for at in _speaker_zone(tokens, place, lexicon)]
        named = body = False
        for token in zone:
            word = token.word
            if token.mark or token.quoted:
                continue
            if word.low in lexicon.weekdays or word.low in lexicon.months:
                continue
            if word.terms:
                body = word.low in lexicon.bodies and not named
                named = True
                official |= word.low in lexicon.officials
                partisan |= word.low in lexicon.partisans
                speakers.update(word.terms)
        bodies |= body
        pronoun |= not named and any(token.word.low in lexicon.subjects for token in zone)
    return Speaker(frozenset(speakers), pronoun, bodies, official, partisan)


def _speaker_zone(tokens: Sequence[Token], place: int, lexicon: Lexicon) -> Sequence[int]:
    before = tokens[place - 1] if place else None
    after = place + 1
    while after < min(len(tokens), place + 1 + INVERTED_REACH) and not tokens[after].mark:
        after += 1
    if tokens[place].word.low in lexicon.sourcing:
        return range(place + 1, after)
    parted = before is not None and (before.mark == "," or before.mark in ENDING or before.mark == '"')
    verbs = any(
        t.word.low in lexicon.auxiliaries or (t.word.low.endswith(lexicon.verb_endings) and lexicon.verb_endings)
        for t in tokens[place + 1 : after]
    )
    linked = place + 1 < len(tokens) and tokens[place + 1].word.low in lexicon.linking
    follows = tokens[place + 1].word if after > place + 1 else NO_WORD
    inverted = (
        tokens[place].word.low in lexicon.attributing and bool(follows.low) and (not follows.stop or follows.low in lexicon.determiners)
    )
    if parted and not linked and inverted and (before is None or before.mark != "," or _is_quoted(tokens, place) or not verbs):
        return range(place + 1, after)
    start = _before_brackets(tokens, place) - 1
    breaks = 0 if not parted else -1
    while start >= 0 and place - start <= (APPOSITION_REACH if parted else SPEAKER_REACH):
        token = tokens[start]
        if token.quoted or token.mark in OPENING or token.mark in ENDING or token.mark in _QUOTE_ENDS:
            break
        if token.mark in CLAUSE_MARKS and start < place - 1:
            breaks += 1
            if breaks >= 1 or token.mark != ",":
                break
        start -= 1
    return range(start + 1, place)


def _before_brackets(tokens: Sequence[Token], place: int) -> int:
    """Give a verb's place, or that of the bracket that opens before it: "the Central Bureau (CNB) said"."""
    if not place or tokens[place - 1].mark != ")":
        return place
    return next((at for at in range(place - 2, max(-1, place - 2 - BRACKETED), -1) if tokens[at].mark == "("), place)


_QUOTE_ENDS = frozenset('";:')


def _is_quoted(tokens: Sequence[Token], place: int) -> bool:
    return place >= 2 and (tokens[place - 2].quoted or tokens[place - 2].mark in ENDING or tokens[place - 2].mark == '"')


def find_quotes(text: str) -> tuple[str, ...]:
    """Give the quoted passages of a sentence, letters and digits only, parted where something is left out."""
    if not _QUOTE_MARK.search(text):
        return ()
    found: list[str] = []
    for match in _QUOTED.finditer(text):
        passage = next(group for group in match.groups() if group is not None)
        for part in _OMISSION.split(passage):
            letters = letters_only(part).strip()
            if letters:
                found.append(letters)
    return tuple(found)
