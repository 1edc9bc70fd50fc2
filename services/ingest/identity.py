"""Who is who: an article's canonical URL, its host, its publisher, and whether its text has really changed.

Canonicalising is idempotent, and forms that lead to the same article meet: tracking parameters, AMP, mobile and `www` hosts, index pages,
fragments, default ports, case of scheme and host, percent-encoding, Unicode and punycode hosts, http and https. What could
tell two articles apart stays: the path's case, other parameters, ports, `#!` routes.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import idna
import tldextract

from services.ingest.parameters import AMBIGUOUS, TRACKING, TRACKING_PREFIXES
from services.ingest.text import one_line
from shared.contracts import Publisher
from shared.errors import Refused

URL_LIMIT = 2_000
"""Characters of a URL, as in the contracts."""

_OWN_SUFFIXES = ("localhost", "test", "example", "invalid", "local", "substack.com", "medium.com", "beehiiv.com")
"""Taken for public suffixes beside the bundled list: names for tests and local runs, and hosts of many outlets."""

_SESSION = re.compile(r"^(?:jsessionid|phpsessid|aspsessionid\w*|sessionid|session_id|cfid|cftoken|zenid)$", re.IGNORECASE)
_ID_LIKE = re.compile(r"^(?:\d+|[0-9a-f]{8,}|[0-9a-f-]{32,})$", re.IGNORECASE)
_AMP_PARAMETERS = {
    "amp": {"", "1", "true", "amp"},
    "outputtype": {"amp"},
    "output": {"amp"},
    "view": {"amp"},
    "type": {"amp"},
    "isamp": {"", "1", "true"},
    "m": {"amp"},
}
_INDEX = re.compile(r"/(?:index|default|home)\.(?:html?|shtml|xhtml|php[345]?|aspx?|jspx?|cfm|cgi)$", re.IGNORECASE)
_AMP_FILE = re.compile(r"\.amp(\.html?)?$", re.IGNORECASE)
_MATRIX_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/;?]*", re.IGNORECASE)
_VARIANT_LABELS = frozenset(("www", "m", "mobile", "amp", "www1", "www2", "www3", "wap", "touch"))
_PERCENT = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_WHITESPACE = str.maketrans("", "", "\t\n\r")
_AMP_CACHE = re.compile(r"^/(?:[cvi]|wp)/(s/)?(.+)$")
_GOOGLE_AMP = re.compile(r"^/amp/(s/)?(.+)$")

_extract_domain = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), extra_suffixes=_OWN_SUFFIXES, include_psl_private_domains=True)


def canonical_url(url: str) -> str:
    """Give the one form of an article's URL. Raises `Refused` (url_refused, url_too_long) for what is no http(s) URL."""
    return _canonical(url, hops=3)


_USER = re.compile(r"//[^/?#]*@")
_WITHOUT_SCHEME = re.compile(r"www\.[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?:[/?#:]|$)", re.IGNORECASE)
"""An address as people write it; no feed has a file of such a name."""


def absolute_url(url: str, base: str | None = None) -> str | None:
    """Resolve a link as browsers do (RFC 3986, white space forgiven); None where no http(s) URL comes of it."""
    tidy = url.strip().translate(_WHITESPACE)
    if not tidy or len(tidy) > URL_LIMIT * 4:
        return None
    if _WITHOUT_SCHEME.match(tidy):
        tidy = f"http://{tidy}"
    elif tidy.startswith("//") and not base:
        tidy = f"https:{tidy}"
    try:
        joined = urljoin(base, tidy) if base and not tidy[:8].lower().startswith(("http://", "https://")) else tidy
        parts = urlsplit(joined)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not host or len(joined) > URL_LIMIT or any(c in host for c in " \"'<>{}|^`%\\@"):
        return None
    return joined.replace(" ", "%20")


def without_user(url: str) -> str:
    """Drop user and password from a URL that others are going to read."""
    return _USER.sub("//", url, count=1)


def believed_canonical(page_url: str, rel_canonical: str | None, og_url: str | None) -> str:
    """Give a page's canonical URL: what the page says where it can be believed, else its own.

    Believed only on the same registrable domain, and only where it still names an article: outlets that point every page
    at their home page, or drop the parameter that tells two articles apart, are not.
    """
    own = canonical_url(page_url)
    for candidate in (rel_canonical, og_url):
        resolved = absolute_url(candidate, page_url) if candidate else None
        if resolved is None:
            continue
        try:
            said = canonical_url(resolved)
        except Refused:
            continue
        if said == own or (_same_domain(said, own) and _names_an_article(said, own)):
            return said
    return own


def article_host(canonical: str) -> str:
    """Give the key of `discoveries.v1`: the canonical URL's host, without port; for a `urn:slugline:` its source."""
    if canonical.startswith("urn:slugline:"):
        return canonical.split(":")[2]
    host = urlsplit(canonical).hostname
    if not host:
        raise Refused("url_refused", f"{canonical[:100]!r} has no host")
    return host


def feed_host(url: str) -> str:
    """Give the host whose owner polls a feed, as `feeds.v1` is partitioned: the URL's, in lower case, without `www.` and port."""
    try:
        host = urlsplit(url).hostname
    except ValueError as error:
        raise Refused("url_refused", f"{url[:100]!r} is no URL: {error}") from error
    if not host:
        raise Refused("url_refused", f"{url[:100]!r} has no host")
    return host.removeprefix("www.")


def unlinked_urn(source: str, item_id: str) -> str:
    """Name an article that has no URL by its source and the id it has there."""
    urn = f"urn:slugline:{quote(source.strip().casefold(), safe='')}:{quote(item_id.strip(), safe='')}"
    if len(urn) > URL_LIMIT:
        urn = f"urn:slugline:sha256:{hashlib.sha256(urn.encode()).hexdigest()}"
    return urn


def publisher_of(url: str, name: str | None = None) -> Publisher:
    """Give the outlet behind a URL: its registrable domain, and `name` where one is known. Raises `Refused` for a URL without host."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host:
        raise Refused("url_refused", f"{url[:100]!r} has no host")
    domain = registrable_domain(_ascii_host(host))
    return Publisher(id=domain, name=one_line(name or "", 200) or domain)


@lru_cache(maxsize=65_536)
def registrable_domain(host: str) -> str:
    """Give the part of a host name that is registered (bbc.co.uk), from the bundled list of public suffixes; an address is itself."""
    host = host.rstrip(".").strip("[]").lower()
    if not host or _is_address(host):
        return host
    found = _extract_domain.extract_str(host)
    if found.domain and found.suffix:
        return f"{found.domain}.{found.suffix}"
    return host


def content_hash(title: str, text: str) -> str:
    """Hash what a reader would call the article: SHA-256 in hex of title and text.

    White space, case, the style of quotes and dashes, counters (views, comments, shares, "5 minutes ago") and pointers elsewhere
    ("Read next: …") do not count; any other word or number does.
    """
    kept = "\n".join(_essential_lines(text.split("\n")))
    return hashlib.sha256(f"{_plain_form(title)}\n{_plain_form(kept)}".encode("utf-8", "ignore")).hexdigest()


_TYPOGRAPHY = str.maketrans(
    dict.fromkeys("‘’‚‛`´ʼ′", "'") | dict.fromkeys("“”„‟«»″‹›", '"') | dict.fromkeys("‐‑‒–—―−", "-") | {"…": "...", "·": " ", "•": " "},
)
_AROUND_PUNCTUATION = re.compile(r"\s*([^\w\s]+)\s*")
_NUMBER = r"\d[\d.,\s]*\s?(?:k|m|mio|tsd|mil)?"
_COUNTED = (
    r"(?:views?|comments?|shares?|likes?|reactions?|retweets?|replies|reads?|followers|min(?:ute)?s? read|min read|aufrufe|kommentare?|"
    r"mal geteilt|min(?:uten)? lesezeit|lesezeit|comentarios?|vistas?|visualizaciones|compartidos?|lecturas?|min de lectura|"
    r"commentaires?|vues|partages?|min de lecture|condivisioni|commenti|visualizzazioni|comentários?|compartilhamentos)"
)
_AGO = (
    r"(?:(?:last )?updated:? |published:? |posted:? |aktualisiert:? |actualizado:? |mis à jour:? )?(?:(?:vor|hace|il y a) )?"
    r"\d+ (?:seconds?|minutes?|mins?|hours?|hrs?|days?|sekunden?|minuten?|stunden?|tage?n?|segundos?|minutos?|"
    r"horas?|días?|minutes|heures?|jours?)(?: ago)?"
)
_COUNTER_LINE = re.compile(rf"^\W*(?:{_NUMBER}\s*{_COUNTED}|{_COUNTED}\W*{_NUMBER}|{_AGO})(?:\W+(?:{_NUMBER}\s*{_COUNTED}|{_AGO}))*\W*$")
_POINTER = re.compile(
    r"^\W*(?:read (?:next|more|also)|(?:more|related) (?:stories|articles|news|coverage|content|topics|on this)|related|"
    r"see also|also read|up next|next up|"
    r"most (?:read|popular)|trending(?: now)?|recommended(?: for you)?|you may (?:also )?like|don't miss|editors'? picks?|"
    r"share this(?: article| story)?|sign up (?:for|to)|subscribe (?:to|now)|follow us|"
    r"mehr (?:zum thema|dazu)|lesen sie (?:auch|mehr|dazu)|auch interessant|das könnte sie auch interessieren|meistgelesen|"
    r"lea (?:también|además)|le puede interesar|más noticias|lo más (?:leído|visto)|te puede interesar|noticias relacionadas|"
    r"lire aussi|à lire aussi|à lire également|leggi anche|leia (?:também|mais))\b(?P<rest>.*)$"
)
_SENTENCE_END = (".", "!", "?", '"', "'", ":", "”", "。", "」", ")")


def _essential_lines(lines: Iterable[str]) -> list[str]:
    kept: list[str] = []
    in_pointer_block = False
    for line in lines:
        plain = unicodedata.normalize("NFKC", line).translate(_TYPOGRAPHY).casefold().strip()
        if not plain:
            continue
        if in_pointer_block and len(plain) < 160 and not plain.endswith(_SENTENCE_END):
            continue
        in_pointer_block = False
        if len(plain) < 300:
            if _COUNTER_LINE.match(plain):
                continue
            pointer = _POINTER.match(plain)
            if pointer:
                rest = pointer["rest"].strip()
                if not rest or rest in (":", "..."):
                    in_pointer_block = True
                    continue
                if rest.startswith((":", "-", "|", ">")) or len(plain) < 60:
                    continue
        kept.append(plain)
    return kept


def _plain_form(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).translate(_TYPOGRAPHY).casefold()
    return _AROUND_PUNCTUATION.sub(r"\1", " ".join(plain.split()))


def _canonical(url: str, hops: int) -> str:
    tidy = url.strip().translate(_WHITESPACE)
    if len(tidy) > URL_LIMIT:
        raise Refused("url_too_long", f"{tidy[:60]!r}… has {len(tidy)} characters; {URL_LIMIT} are allowed")
    if tidy.startswith("//"):
        tidy = "https:" + tidy
    try:
        parts = urlsplit(tidy.replace("\\", "/") if "\\" in tidy else tidy)
        port = parts.port
        host = parts.hostname
    except ValueError as error:
        raise Refused("url_refused", f"{tidy[:100]!r} is not a URL: {error}") from error
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https") or not host:
        raise Refused("url_refused", f"{tidy[:100]!r} is no http or https URL with a host")
    ascii_host = _ascii_host(host)
    if hops and (inner := _unwrapped(ascii_host, parts)):
        return _canonical(inner, hops - 1)
    if port in (None, 80, 443) and (port is None or port == (443 if scheme == "https" else 80)):
        scheme, netloc = "https", _site_host(ascii_host)
    else:
        netloc = f"{_site_host(ascii_host)}:{port}"
    path = _canonical_path(parts.path)
    query = _canonical_query(parts.query, path) if parts.query else ""
    fragment = parts.fragment if parts.fragment.startswith(("!", "/")) and len(parts.fragment) > 1 else ""
    canonical = f"{scheme}://{netloc}{path}{'?' + query if query else ''}{'#' + _normal_escapes(fragment) if fragment else ''}"
    if len(canonical) > URL_LIMIT:
        raise Refused("url_too_long", f"{tidy[:60]!r}… has {len(canonical)} characters when encoded; {URL_LIMIT} are allowed")
    return canonical


def _unwrapped(host: str, parts: SplitResult) -> str | None:
    """Give the article behind Google's AMP viewer or an AMP cache."""
    if host.endswith(".cdn.ampproject.org") or host == "cdn.ampproject.org":
        found = _AMP_CACHE.match(parts.path)
    elif host.removeprefix("www.").startswith("google.") and parts.path.startswith("/amp/"):
        found = _GOOGLE_AMP.match(parts.path)
    else:
        return None
    if found is None or "." not in found.group(2).split("/", 1)[0]:
        return None
    return f"http{'s' if found.group(1) else ''}://{found.group(2)}{'?' + parts.query if parts.query else ''}"


@lru_cache(maxsize=65_536)
def _ascii_host(host: str) -> str:
    host = host.rstrip(".").lower()
    if "%" in host:
        host = unquote(host).lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True, transitional=False).decode()
        except (idna.IDNAError, UnicodeError):
            try:
                host = host.encode("idna").decode()
            except UnicodeError as error:
                raise Refused("url_refused", f"host {host[:100]!r} has no ASCII form") from error
    if not host or len(host) > 253 or any(c in host for c in " \"'<>{}|^`%\\@/?#\x7f") or min(host) < "!":
        raise Refused("url_refused", f"{host[:100]!r} is no host name")
    return f"[{host}]" if ":" in host else host


@lru_cache(maxsize=65_536)
def _site_host(host: str) -> str:
    """Drop the labels that only choose a variant (www, m, amp) below the registrable domain."""
    if _is_address(host):
        return host
    domain = registrable_domain(host)
    below = host[: -len(domain)].rstrip(".") if host != domain else ""
    labels = [label for label in below.split(".") if label and label not in _VARIANT_LABELS]
    return ".".join((*labels, domain))


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _normal_escapes(text: str) -> str:
    """Percent-encode what must be, decode what need not be (RFC 3986 6.2.2), hexadecimal digits in upper case."""
    if "%" not in text and text.isascii() and not _NEEDS_QUOTE.search(text):
        return text
    text = _PERCENT.sub(lambda found: chr(code) if (code := int(found.group(1), 16)) in _UNRESERVED else f"%{found.group(1).upper()}", text)
    return quote(text, safe="/!$&'()*+,;=:@%-._~?", errors="replace")


_NEEDS_QUOTE = re.compile(r"[^A-Za-z0-9/!$&'()*+,;=:@%\-._~?]")


def _canonical_path(path: str) -> str:
    path = _normal_escapes(path)
    if ";" in path:
        path = _MATRIX_SESSION.sub("", path)
    segments: list[str] = []
    for segment in path.split("/"):
        if segment in ("", "."):
            continue
        if segment == "..":
            if segments:
                segments.pop()
            continue
        segments.append(segment)
    # an index page may stand below an AMP segment and the other way round, so both go until nothing more does
    while segments:
        last = segments[-1]
        if _INDEX.match("/" + last) or last.lower() in ("amp", "amp.html", "amp.htm"):
            segments.pop()
        elif _AMP_FILE.search(last) and not last.lower().startswith(".amp"):
            segments[-1] = _AMP_FILE.sub(lambda found: found.group(1) or "", last)
        else:
            break
    if len(segments) > 1:
        segments = [segment for segment in segments[:-1] if segment.lower() != "amp"] + segments[-1:]
    return "/" + "/".join(segments)


def _canonical_query(query: str, path: str) -> str:
    kept: list[tuple[str, str]] = []
    for field in query.replace("&amp;", "&").split("&"):
        if not field:
            continue
        name, equals, value = field.partition("=")
        name = unquote(name.lstrip("?")) if "%" in name else name.lstrip("?")
        name = name.lstrip("?")
        lowered = name.lower().removeprefix("amp;")
        if not lowered and not value:
            continue
        if lowered in TRACKING or lowered.startswith(TRACKING_PREFIXES) or _SESSION.match(lowered):
            continue
        if lowered in _AMP_PARAMETERS and value.lower() in _AMP_PARAMETERS[lowered]:
            continue
        if lowered in AMBIGUOUS and _names_article(path) and not _ID_LIKE.match(value):
            continue
        kept.append((quote(name, safe="!$'()*,;:@-._~?/[]", errors="replace"), equals + _normal_escapes(value)))
    kept.sort(key=lambda pair: pair[0])
    return "&".join(name + value for name, value in kept)


_SLUG = re.compile(r"[^/]*(?:-[^/]*-|\d{4,}|_[^/]*_)[^/]*")


def _names_article(path: str) -> bool:
    return _SLUG.search(path) is not None


def _same_domain(one: str, other: str) -> bool:
    first, second = urlsplit(one).hostname or "", urlsplit(other).hostname or ""
    return registrable_domain(first) == registrable_domain(second)


def _names_an_article(said: str, own: str) -> bool:
    theirs, ours = urlsplit(said), urlsplit(own)
    if theirs.path == "/" and not theirs.query and not theirs.fragment and (ours.path != "/" or ours.query or ours.fragment):
        return False
    return not (ours.query and not theirs.query and ours.path == theirs.path)
