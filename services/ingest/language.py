"""Which language a text is in: py3langid (langid.py, Lui and Baldwin 2012) among the languages that news is published in."""

from functools import lru_cache
from typing import Any

UNKNOWN = "und"
SURE = 0.8
"""From this probability the text is believed over what a feed or page declares."""
LIKELY = 0.4
"""Below this probability nothing is said."""
_SAMPLE_CHARS = 400
_LANGUAGES = (
    "af am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl gu ha he hi hr hu hy id ig is it ja ka kk km kn ko ku ky lo lt "
    "lv mk ml mn mr ms my ne nl no or pa pl ps pt ro ru si sk sl so sq sr sv sw ta te th tl tr uk ur uz vi xh yo zh zu"
)
_SAME = {
    "nb": "no",
    "nn": "no",
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "jp": "ja",
    "cn": "zh",
    "fil": "tl",

    "cmn": "zh",
    "eng": "en",
    "spa": "es",
    "deu": "de",
    "ger": "de",
}  # fmt: skip


def detect_language(text: str, hint: str | None = None) -> str:
    """Give the text's ISO 639-1 code, or `und`.

    `hint` is a code that the outlet declares; it decides where the text alone leaves it open, and where the text is too
    short to say anything.
    """
    declared = _SAME.get(hint, hint) if hint and hint != UNKNOWN else None
    sample = text[:_SAMPLE_CHARS]
    if sum(map(str.isalpha, sample[:200])) < 3:
        return declared or UNKNOWN
    found, probability = _identifier().classify(sample)
    if probability >= SURE or (probability >= LIKELY and declared in (None, found)):
        return str(found)
    return declared or UNKNOWN


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 — 60 MB that only some processes need

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LANGUAGES.split())
    # It keeps all languages' figures to come back to: 28 MB that nobody asks for again.
    identifier._full_model = identifier.nb_ptc, identifier.nb_pc, identifier.nb_classes  # noqa: SLF001
    return identifier
