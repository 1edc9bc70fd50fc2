"""Pages that are not the article: stubs before a paywall, consent banners, challenges, logins, error pages."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from services.ingest.extraction.metadata import PageData
from shared.contracts import Extraction

SHORT_CHARS = 250
"""A shorter text is a summary. All lengths are an alphabet's; a character of Chinese, Japanese or Korean says as much as two."""
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_STUB_CHARS = 3_000
"""A text before a paywall is shorter; longer ones are there in full although a banner asks to subscribe."""
_WALL_CHARS = 1_500
"""A consent page or a challenge has less text."""

_PAYWALL = re.compile(
    r"(?:subscribe|sign up|register|log ?in|sign in|create (?:a |an )?(?:free )?account)(?: now| today)? to (?:continue"
    r"|keep|read|unlock|get (?:full|unlimited) access)"
    r"|to (?:continue|keep) reading|continue reading (?:this article )?with (?:a|an) \w+ (?:subscription|account)"
    r"|(?:this (?:article|story|content) is |exclusively |available |only )(?:available )?(?:only )?(?:for|to) (?:\w+ )?(?:paying "
    r"|premium |registered )?(?:subscribers|members)"
    r"|already a subscriber\?|subscriber[- ](?:only|exclusive)|you(?:'|’)?ve (?:reached|read) (?:your|all your) (?:limit|free)"
    r"|unlock (?:this|the full) (?:article|story)"
    r"|(?:jetzt|mit \S+|kostenlos|sofort) weiterlesen|weiterlesen mit|artikel (?:nur )?für abonnenten"
    r"|(?:exklusiv|nur) für (?:abonnent|mitglieder)|sie sind bereits (?:abonnent|kunde)"
    r"|jetzt (?:abo abschließen|testen und weiterlesen)|diesen artikel (?:freischalten|weiterlesen)|mit einem abo lesen"
    r"|(?:suscríbe(?:te|se)|regístr(?:ate|ese)|inicia sesión) (?:ahora |ya )?(?:para|y) (?:seguir|continuar|sigue)"
    r"|(?:solo|exclusivo|contenido) para (?:suscriptores|socios)|ya eres suscriptor|para (?:seguir|continuar) leyendo"
    r"|article réservé (?:aux|à nos) abonnés|pour lire la suite|(?:il vous reste|la suite est réservée)|déjà abonné"
    r"|riservat[oa] agli abbonati|per continuare a leggere|para continuar (?:a ler|lendo)|exclusivo para assinantes",
    re.IGNORECASE,
)
_PAYWALL_HINTS = (
    "subscri", "continue", "keep reading", "unlock", "members", "limit", "your free", "weiterlesen", "abonn", "abo ",
    "mitglieder", "freischalten", "suscri", "socios", "leyendo", "seguir", "réservé", "pour lire", "riservat", "a leggere",
    "assinante", "a ler", "lendo", "to read",
)  # fmt: skip
"""One of these stands in every match of the pattern above; the pattern is tried only near them, which is a hundred times faster."""
_NEAR_CHARS = 120
_MAX_HINTS = 30
_CONSENT = re.compile(
    r"before you continue to|we (?:and our|use|value)[^.]{0,80}(?:partners|cookies|privacy)|accept (?:all|cookies)"
    r"|manage (?:cookies|preferences|consent|settings)|your privacy (?:choices|is important)"
    r"|cookie (?:settings|preferences|policy|consent|notice)|give (?:your )?consent|reject all|legitimate interest"
    r"|(?:alle|cookies) (?:akzeptieren|annehmen|ablehnen)|zustimmen und weiter|mit werbung (?:weiter)?lesen|einwilligung"
    r"|datenschutz-?einstellungen|werbung und tracking"
    r"|aceptar (?:todas?|todo|cookies|y continuar)|rechazar (?:todas?|todo)|consentimiento|configurar cookies|tout accepter"
    r"|continuer sans accepter|accepter et continuer|accetta (?:tutti|e continua)",
    re.IGNORECASE,
)
_CHALLENGE = re.compile(
    r"just a moment|checking your browser|verify(?:ing)? (?:that )?you are (?:a )?human|are you a (?:human|robot)"
    r"|i am not a robot|i'm not a robot|enable javascript and cookies to continue"
    r"|attention required|access (?:to this page has been )?denied|pardon our interruption|unusual traffic"
    r"|complete the (?:security check|captcha)|security check"
    r"|ddos protection by|request (?:unsuccessful|blocked)|you have been blocked|why have i been blocked|press (?:and|&) hold"
    r"|bot (?:detection|verification)"
    r"|please (?:turn on|enable) (?:javascript|js)(?: and disable any ad blocker)?|javascript is (?:disabled|required)"
    r"|sicherheitsüberprüfung|ich bin kein roboter|no soy un robot",
    re.IGNORECASE,
)
_CHALLENGE_SOURCE = (
    "cf-challenge",
    "cf_chl_",
    "challenge-platform",
    "px-captcha",
    "captcha-delivery.com",
    "g-recaptcha",
    "h-captcha",
    "_incapsula_resource",
    "ak_bmsc",
    "perimeterx",
)
_LOGIN = re.compile(
    r"^(?:log ?in|sign ?in|anmelden|einloggen|login|iniciar sesión|acceder|connexion|se connecter|accedi|entrar)\b", re.IGNORECASE
)
_ERROR = re.compile(
    r"^\W*(?:(?:error )?(?:404|410|500|502|503)\b|page not found|not found|(?:this )?page (?:can(?:no|')t be found|doesn(?:'"
    r"|’)t exist|is (?:gone|unavailable))|seite nicht gefunden"
    r"|página no encontrada|page introuvable|pagina non trovata|service unavailable|internal server error|oops)",
    re.IGNORECASE,
)
_ERROR_LINE = re.compile(
    r"^(?:(?:error )?404\W*)?(?:page not found"
    r"|(?:this|the) page (?:you\W+\w+ looking for )?(?:can(?:no|')t be found|doesn(?:'|’)t exist|does not exist)"
    r"|seite nicht gefunden|página no encontrada|page introuvable|pagina non trovata)\b",
    re.IGNORECASE | re.MULTILINE,
)
"""A line of a short text under a title that says nothing, such as the outlet's name."""
_CONSENT_HOST = re.compile(r"^(?:consent|cmp|guce|privacy|cookie|cookies|myprivacy)\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much of an article a page shows."""

    extraction: Extraction
    note: str | None = None


def judge(
    *, text: str, title: str, visible: Callable[[], str], source: str, page: PageData, host: str, has_password_field: bool
) -> Verdict:
    """Decide from the main text, the whole visible text (called for only where it matters), the page's source and its metadata."""
    if len(text) >= _STUB_CHARS:
        return Verdict(Extraction.FULL)
    chars = len(text) if text.isascii() else len(text) + len(_DENSE.findall(text))
    seen = visible()[:20_000]
    is_bare = not page.is_article and chars < _WALL_CHARS
    if is_bare or chars < SHORT_CHARS:
        if _CONSENT_HOST.match(host) or (len(seen) < 2 * _WALL_CHARS and len(_CONSENT.findall(seen)) >= 2 and not page.is_article):
            return Verdict(Extraction.BLOCKED, "consent")
        if _CHALLENGE.search(title) or (
            len(seen) < _WALL_CHARS and (_CHALLENGE.search(seen) or any(mark in source for mark in _CHALLENGE_SOURCE))
        ):
            return Verdict(Extraction.BLOCKED, "challenge")
        if is_bare and (_ERROR.match(title) or (chars < SHORT_CHARS and _ERROR_LINE.search(text))):
            return Verdict(Extraction.BLOCKED, "error_page")
        if is_bare and has_password_field and (_LOGIN.match(title) or len(seen) < _WALL_CHARS):
            return Verdict(Extraction.BLOCKED, "login")
    if page.is_free is not True and (page.is_free is False or asks_to_pay(seen)):
        return Verdict(Extraction.SUMMARY, "paywall")
    if chars < SHORT_CHARS:
        return Verdict(Extraction.SUMMARY, "short")
    return Verdict(Extraction.FULL)


def asks_to_pay(text: str) -> bool:
    """Tell whether a text asks to subscribe or to register."""
    lowered = text.lower()
    for hint in _PAYWALL_HINTS:
        position = lowered.find(hint)
        for _ in range(_MAX_HINTS):
            if position < 0:
                break
            if _PAYWALL.search(lowered, max(0, position - _NEAR_CHARS), position + _NEAR_CHARS):
                return True
            position = lowered.find(hint, position + _NEAR_CHARS // 2)
    return False


def without_wall(text: str) -> str:
    """Drop the lines of a text that only ask to subscribe."""
    lines = text.split("\n")
    kept = [line for line in lines if len(line) > 300 or not asks_to_pay(line)]
    return "\n".join(kept)
