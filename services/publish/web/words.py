"""Say times, counts, languages and revisions in words, for pages and feeds. Pure; `now` is an argument."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from services.publish.read import COUNTED

LANGUAGES: Final[Mapping[str, str]] = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali",
    "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician",
    "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "km": "Khmer", "kn": "Kannada",
    "ko": "Korean", "ku": "Kurdish", "ky": "Kyrgyz", "lo": "Lao", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian",
    "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "my": "Burmese", "nb": "Norwegian",
    "ne": "Nepali", "nl": "Dutch", "nn": "Norwegian (Nynorsk)", "no": "Norwegian", "or": "Odia", "pa": "Punjabi", "pl": "Polish",
    "ps": "Pashto", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sd": "Sindhi", "si": "Sinhala", "sk": "Slovak",
    "sl": "Slovenian", "so": "Somali", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu",
    "th": "Thai", "ti": "Tigrinya", "tl": "Filipino", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese",
    "zh": "Chinese", "zu": "Zulu",
}  # fmt: skip
"""Names of the languages that outlets write in, by ISO 639-1 code."""

REASONS: Final[Mapping[str, str]] = {
    "created": "The story began",
    "article_added": "New coverage",
    "article_corrected": "A report was corrected",
    "article_removed": "An article was withdrawn or moved away",
    "article_moved": "An article moved to another story",
    "merged": "Two stories of the same event became one",
    "split": "Articles of another event were taken out",
    "linked": "Found in another language",
    "unlinked": "No longer linked to another language",
    "closed": "No news for some time",
    "reopened": "News again",
    "edited": "Edited",
    "erased": "An article was erased",
}
"""What each reason of `StoryUpdated` means to a reader; the list is open."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def language_name(code: str) -> str:
    """Name a language in English; an unknown code names itself."""
    return LANGUAGES.get(code, "Language unknown" if code == "und" else code)


def reason_words(reason: str) -> str:
    """Say a reason; one that this version does not know is "Changed"."""
    return REASONS.get(reason, "Changed")


def number_of(count: int, one: str, many: str | None = None) -> str:
    """Count something, such as "1 article" or "1,204 articles"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def number_up_to(count: int, one: str, many: str | None = None) -> str:
    """Count what was counted up to `COUNTED` only, such as "12 articles" or "1,000+ articles"."""
    return f"{count:,}+ {many or one + 's'}" if count >= COUNTED else number_of(count, one, many)


def duration_words(seconds: float) -> str:
    """Say how long, to one unit, such as "12 minutes"."""
    for size, unit in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= size:
            return number_of(int(seconds // size), unit)
    return number_of(max(int(seconds), 0), "second")


def ago(time: datetime, now: datetime) -> str:
    """Say how long ago, and the date from the second day on; a time ahead of `now` is "just now" up to an hour, else its date."""
    seconds = (now - time).total_seconds()
    if -_HOUR < seconds < _MINUTE:
        return "just now"
    if 0 <= seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min ago"
    if 0 <= seconds < _DAY:
        return f"{int(seconds // _HOUR)} h ago"
    return day(time) if time.year != now.year else f"{time.day} {time:%b}"


def day(time: datetime) -> str:
    """Write a day, such as "5 Jan 2026"."""
    return f"{time.day} {time:%b} {time.year:04d}"


def utc(time: datetime) -> str:
    """Write a time in full, such as "5 Jan 2026, 14:03 UTC"."""
    time = time.astimezone(UTC)
    return f"{day(time)}, {time:%H:%M} UTC"


def long_date(time: datetime) -> str:
    """Write a newspaper's date, such as "Monday, 5 January 2026"."""
    return f"{time:%A}, {time.day} {time:%B} {time.year:04d}"


def short(text: str, limit: int) -> str:
    """Cut a text at a word's end so that it has at most `limit` characters, with an ellipsis where it was cut."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit // 2 else cut).rstrip(" ,;:.–-") + "…"
