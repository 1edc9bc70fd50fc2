"""Dates in the words of an outlet's language, without the machine's locales."""

from datetime import datetime

_WEEKDAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "pt": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
}
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
}
_DATES = {"en": "{day} {month}", "es": "{day} de {month}", "de": "{day}. {month}", "fr": "{day} {month}", "pt": "{day} de {month}"}
_ON_A_WEEKDAY = {"pt": "na na na na na no no"}
LANGUAGES = frozenset(_DATES)


def weekday_word(moment: datetime, language: str) -> str:
    """Give the weekday as it stands in a sentence: "Tuesday", "Dienstag"; with its preposition where the day decides that: "no sábado"."""
    prepositions = _ON_A_WEEKDAY.get(language)
    word = _weekday(moment, language)
    return f"{prepositions.split()[moment.weekday()]} {word}" if prepositions else word


def date_words(moment: datetime, language: str) -> str:
    """Give day and month: "3 March", "3. März"."""
    return _DATES[language].format(day=moment.day, month=_MONTHS[language].split()[moment.month - 1])


def date_line(moment: datetime, language: str) -> str:
    """Give the line above an article: "Tuesday 3 March 2026, 14:05"."""
    return f"{_weekday(moment, language).capitalize()}, {date_words(moment, language)} {moment.year}, {moment:%H:%M}"


def _weekday(moment: datetime, language: str) -> str:
    return _WEEKDAYS[language].split()[moment.weekday()]
