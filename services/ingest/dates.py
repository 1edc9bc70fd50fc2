"""Times as outlets write them: RFC 3339 and its relatives, RFC 822 with months in several languages, Unix time. Absurd ones are None."""

import calendar
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

import feedparser.datetimes

from shared.contracts.base import EARLIEST, LATEST

DEFAULT_TOLERANCE_S = 86_400.0
"""A time further ahead of the clock is an error: zones are at most 14 hours ahead, and nothing is published tomorrow."""

_ISO = re.compile(
    r"(\d{4})\s?[-/.年년]\s?(\d{1,2})\s?[-/.月월]\s?(\d{1,2})(?!\d)[日일]?"
    r"(?:(?:\s*[Tt]\s*|\s+|,\s*)(\d{1,2})\s?[:.時时시]\s?(\d{2})(?:[:.分분]\s?(\d{2})(?:[.,]\d{1,12})?)?[分분초秒]?\s*([Zz]|[+-]\d{1,2}:?\d{0,2}|[A-Za-z]{2,5})?)?"
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2})?\s*([Zz]|[+-]\d{2}:?\d{2})?)?$")
_COARSE = re.compile(r"(\d{4})(?:-(\d{2}))?$")
_EPOCH = re.compile(r"(\d{10})(?:\d{3})?(?:\.\d+)?$")
_NUMBERS = re.compile(r"(\d{1,2})([./])(\d{1,2})\2(\d{4})(?!\d)(?:,?\s*(?:[-–|]\s*)?(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_CLOCK = re.compile(r"(?<![\d:+-])(\d{1,2})[:h](\d{2})(?:[:m](\d{2})(?:[.,]\d{1,9})?)?\s*([ap]\.?m\.?)?(?![\d:])", re.IGNORECASE)
_ZONE = re.compile(r"(?:(?:GMT|UTC)\s*)?([+-]\d{1,2}(?::?\d{2})?)(?!\d)|\b([A-Za-z]{1,5})\b")
_WORDS = re.compile(r"[^\W\d_]+\.?|\d+")

_ZONES = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "wet": 0, "west": 60, "bst": 60, "ist": 330, "cet": 60, "met": 60, "mez": 60, "cest": 120,
    "mest": 120, "mesz": 120, "eet": 120, "sast": 120, "cat": 120, "wat": 60, "eat": 180, "eest": 180, "idt": 180, "msk": 180,
    "trt": 180, "ast": -240, "adt": -180, "nst": -210, "ndt": -150, "brt": -180, "art": -180, "clt": -240, "est": -300, "edt": -240,
    "et": -300, "cst": -360, "cdt": -300, "ct": -360, "mst": -420, "mdt": -360, "mt": -420, "pst": -480, "pdt": -420, "pt": -480,
    "akst": -540, "akdt": -480, "hst": -600, "gst": 240, "pkt": 300, "npt": 345, "bdt": 360, "ict": 420, "wib": 420, "hkt": 480,
    "sgt": 480, "myt": 480, "pht": 480, "awst": 480, "jst": 540, "kst": 540, "acst": 570, "acdt": 630, "aest": 600, "aedt": 660,
    "nzst": 720, "nzdt": 780,
}  # fmt: skip
"""Minutes east of Greenwich. `ist` is India's and `cst` America's, as feeds use them."""
_MONTH_NAMES = """
1 jan januar january enero ene janvier janv gennaio gen janeiro januari styczen stycznia ocak ledna ianuarie tammikuu tammikuuta gener
1 января январь янв січня януари ιανουαριου ιανουαριος ιαν يناير ינואר
2 feb februar february febrero febr fevrier fevr fev febbraio fevereiro februari lutego subat unora februarie helmikuu helmikuuta febrer
2 февраля февраль фев лютого февруари φεβρουαριου φεβρουαριος φεβ φευ فبراير פברואר
3 mar marz maerz march marzo mars marco maart mrt mrz marca mart brezna martie marcius marc maaliskuu maaliskuuta marts maret
3 марта март мар березня μαρτιου μαρτιος μαρ مارس מרץ
4 apr april abril abr avril avr aprile kwietnia nisan dubna aprilie aprilis huhtikuu huhtikuuta
4 апреля апрель апр квітня април απριλιου απριλιος απρ أبريل ابريل אפריל
5 may mai mayo maggio mag maio mei maja mayis kvetna majus maj toukokuu toukokuuta maig
5 мая май травня μαιου μαιος μαι مايو מאי
6 jun juni june junio juin giugno giu junho czerwca haziran cervna iunie junius kesakuu kesakuuta juny
6 июня июнь червня юни ιουνιου ιουνιος ιουν يونيو יוני
7 jul juli july julio juillet juil luglio lug julho lipca temmuz cervence iulie julius heinakuu heinakuuta juliol
7 июля июль липня юли ιουλιου ιουλιος ιουλ يوليو יולי
8 aug august agosto ago aout agustus augustus sierpnia agustos srpna augusztus elokuu elokuuta augusti agost
8 августа август авг серпня αυγουστου αυγουστος αυγ أغسطس اغسطس אוגוסט
9 sep sept september septiembre setiembre septembre settembre set setembro wrzesnia eylul zari septembrie szeptember szept
9 syyskuu syyskuuta setembre
9 сентября сентябрь сен вересня септември σεπτεμβριου σεπτεμβριος σεπ سبتمبر ספטמבר
10 oct okt october oktober octubre octobre ottobre ott outubro out pazdziernika ekim rijna octombrie lokakuu lokakuuta
10 октября октябрь окт жовтня октомври οκτωβριου οκτωβριος οκτ أكتوبر اكتوبر אוקטובר
11 nov november noviembre novembre novembro listopada kasim listopadu noiembrie marraskuu marraskuuta
11 ноября ноябрь ноя листопада ноември νοεμβριου νοεμβριος νοε نوفمبر נובמבר
12 dec dez december dezember diciembre dic decembre dicembre dezembro desember grudnia aralik prosince decembrie
12 joulukuu joulukuuta desembre
12 декабря декабрь дек грудня декември δεκεμβριου δεκεμβριος δεκ ديسمبر דצמבר
"""
_MONTHS = {name: int(number) for number, *names in map(str.split, _MONTH_NAMES.strip().splitlines()) for name in names}
_FOLD = str.maketrans("łøđı", "lodi")
_HALF_DAY = re.compile(r"(오전|오후|上午|下午|午前|午後)\s*(\d{1,2})")
_HANGUL = re.compile("[가-힣]")
_SEOUL_MINUTES = 540
_WEEKDAY_FIRST = re.compile(r"[^\W\d_]{2,12}\.?,?\s+(?=\d{4}\s?[-/.])")
_OFFSET_FIRST = re.compile(r"\s*[+-]\d{2}:?\d{2}\b")


def parse_date(raw: object, *, now: datetime, tolerance_s: float = DEFAULT_TOLERANCE_S) -> datetime | None:
    """Read a time. Gives aware UTC, or None for what is unreadable, before 1900, the Unix epoch itself, or ahead of `now` by more.

    A time without zone is taken for UTC, as feeds mean it more often than not.
    """
    if not isinstance(raw, str) or not raw or len(raw) > 200:
        return None
    return plausible(_read(raw.strip()), now=now, tolerance_s=tolerance_s)


def plausible(value: datetime | None, *, now: datetime, tolerance_s: float = DEFAULT_TOLERANCE_S) -> datetime | None:
    """Give the time back unless it can't be a time of publication."""
    if value is None or not EARLIEST <= value < LATEST or value > now + timedelta(seconds=tolerance_s):
        return None
    if abs(value.timestamp()) < 86_400.0:
        return None  # an unset clock
    return value


def has_zone(raw: str) -> bool:
    """Tell whether the written time says its zone."""
    clock = _CLOCK.search(raw) or re.search(r"\d[T ]\d{2}:?\d{2}", raw)
    return (clock is not None and _zone_after(raw[clock.end() :]) is not None) or raw.rstrip().endswith(("Z", "z"))


@lru_cache(maxsize=4_096)
def _read(raw: str) -> datetime | None:
    try:
        value = _read_iso(raw) or _read_written(raw)
        # feedparser's own guesses at ASCII forms lean on today's date
        return value or (None if raw.isascii() else _read_other(raw))
    except (ValueError, OverflowError, TypeError, AttributeError, KeyError):
        return None


def _read_iso(raw: str) -> datetime | None:
    if not raw[:1].isdigit() and (weekday := _WEEKDAY_FIRST.match(raw)):
        raw = raw[weekday.end() :]
    is_korean = not raw.isascii() and _HANGUL.search(raw) is not None
    if not raw.isascii():
        raw = _HALF_DAY.sub(_of_24, raw)
    found = _ISO.match(raw) or _COMPACT.match(raw)
    if found is None and (numbers := _NUMBERS.match(raw)):
        return _read_numbers(numbers, raw[numbers.end() :])
    if found is None:
        if coarse := _COARSE.match(raw):
            return _build(int(coarse.group(1)), int(coarse.group(2) or 1), 1, 0, 0, 0, 0)
        epoch = _EPOCH.match(raw)
        return datetime.fromtimestamp(int(epoch.group(1)), UTC) if epoch else None
    year, month, day, hour, minute, second, zone = found.groups()
    zone_minutes = _zone_minutes(zone) if zone or not hour else _zone_after(raw[found.end() :])
    if zone_minutes is None:
        zone_minutes = _SEOUL_MINUTES if hour and is_korean else 0
    return _build(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), zone_minutes)


def _read_numbers(found: re.Match[str], rest: str) -> datetime | None:
    """Read 22.5.2017 and 22/05/2017; with slashes day and month must be told apart by their size."""
    first, separator, second, year, hour, minute, clock_second = found.groups()
    day, month = int(first), int(second)
    if separator == "/" and day <= 12 and month <= 12 and day != month:
        return None
    if day <= 12 < month:
        day, month = month, day
    return _build(int(year), month, day, int(hour or 0), int(minute or 0), int(clock_second or 0), (hour and _zone_after(rest)) or 0)


def _read_written(raw: str) -> datetime | None:
    clock = _CLOCK.search(raw)
    dated = raw if clock is None else raw[: clock.start()] + " " + _OFFSET_FIRST.sub("", raw[clock.end() :], count=1)
    words = [_folded(word) for word in _WORDS.findall(dated)]
    month = _month(words)
    numbers = [word for word in words if word.isdigit()]
    if month is None or len(numbers) < 2:
        return None
    first, second = numbers[0], numbers[1]
    day, year = (second, first) if len(first) == 4 else (first, second)
    year_number = int(year) if len(year) != 2 else int(year) + (2000 if int(year) < 70 else 1900)
    if len(year) not in (2, 4):
        return None
    if clock is None:
        return _build(year_number, month, int(day), 0, 0, 0, 0)
    hour = int(clock.group(1))
    if clock.group(4):
        hour = hour % 12 + (12 if clock.group(4).lower().startswith("p") else 0)
    zone = _zone_after(raw[clock.end() :])
    return _build(year_number, month, int(day), hour, int(clock.group(2)), int(clock.group(3) or 0), zone or 0)


def _folded(word: str) -> str:
    """Give a word without case, accents and the dot of an abbreviation."""
    word = word.casefold().rstrip(".")
    if word.isascii():
        return word
    return "".join(character for character in unicodedata.normalize("NFKD", word) if not unicodedata.combining(character)).translate(_FOLD)


def _of_24(found: re.Match[str]) -> str:
    hour = int(found.group(2))
    return str(hour % 12 + (12 if found.group(1) in ("오후", "下午", "午後") else 0))


def _month(words: list[str]) -> int | None:
    """Give the month among the words: the one with most numbers beside it, since "mar." is March and Tuesday in several languages."""
    best, most = None, -1
    for index, word in enumerate(words):
        if word in _MONTHS:
            beside = sum(other.isdigit() for other in (*words[max(0, index - 1) : index], *words[index + 1 : index + 2]))
            if beside >= most:
                best, most = _MONTHS[word], beside
    return best


def _read_other(raw: str) -> datetime | None:
    """Greek, Hungarian, Korean and other forms that feedparser knows."""
    parts = feedparser.datetimes._parse_date(raw)  # noqa: SLF001 — its only way to a date without a feed
    return datetime.fromtimestamp(calendar.timegm(parts), UTC) if parts else None


def _build(year: int, month: int, day: int, hour: int, minute: int, second: int, zone_minutes: int) -> datetime:
    extra = timedelta(days=1) if hour == 24 else timedelta()
    # a leap second is the second before it
    local = datetime(
        year,
        month,
        day,
        hour if hour != 24 else 0,
        minute,
        second if second != 60 else 59,
        tzinfo=timezone(timedelta(minutes=zone_minutes)),
    )
    return (local + extra).astimezone(UTC)


def _zone_after(rest: str) -> int | None:
    for found in _ZONE.finditer(rest[:40]):
        minutes = _zone_minutes(found.group(1) or found.group(2))
        if minutes is not None:
            return minutes
    return None


def _zone_minutes(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        hours, minutes = (digits[:2], digits[2:]) if len(digits) > 2 else (digits, "0")
        total = int(hours) * 60 + int(minutes or 0)
        return (-total if zone[0] == "-" else total) if total <= 15 * 60 else None
    return _ZONES.get(zone.lower())
