"""What a feed's document must look like, written down from the specifications: RSS 2.0, RFC 4287 and JSON Feed 1.1."""

from typing import Any, Final

_DATE_822: Final = (
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d (GMT|[+\-]\d{4})"
)
_GRAMMAR: Final = 'xmlns="http://relaxng.org/ns/structure/1.0" datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes"'
_URI: Final = '<data type="anyURI"><param name="pattern">\\S+</param></data>'
_SAID: Final = '<data type="string"><param name="minLength">1</param></data>'

RSS: Final = f"""
<grammar {_GRAMMAR} xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<start><element name="rss"><attribute name="version"><value>2.0</value></attribute><element name="channel"><interleave>
  <element name="title">{_SAID}</element>
  <element name="link">{_URI}</element>
  <element name="description">{_SAID}</element>
  <optional><element name="language"><data type="language"/></element></optional>
  <element name="lastBuildDate"><ref name="date"/></element>
  <optional><element name="generator"><text/></element></optional>
  <element name="atom:link"><attribute name="href">{_URI}</attribute><attribute name="rel"><value>self</value></attribute>
    <attribute name="type"><value>application/rss+xml</value></attribute></element>
  <zeroOrMore><element name="item"><interleave>
    <element name="title">{_SAID}</element>
    <element name="link">{_URI}</element>
    <element name="guid"><attribute name="isPermaLink"><value>false</value></attribute>{_URI}</element>
    <element name="pubDate"><ref name="date"/></element>
    <optional><element name="description">{_SAID}</element></optional>
    <optional><element name="content:encoded">{_SAID}</element></optional>
  </interleave></element></zeroOrMore>
</interleave></element></element></start>
<define name="date"><data type="string"><param name="pattern">{_DATE_822}</param></data></define>
</grammar>"""

ATOM: Final = f"""
<grammar {_GRAMMAR} ns="http://www.w3.org/2005/Atom">
<start><element name="feed"><ref name="language"/><interleave>
  <element name="id">{_URI}</element>
  <element name="title"><ref name="words"/></element>
  <optional><element name="subtitle"><ref name="words"/></element></optional>
  <element name="updated"><ref name="date"/></element>
  <oneOrMore><ref name="link"/></oneOrMore>
  <oneOrMore><ref name="author"/></oneOrMore>
  <optional><element name="generator"><text/></element></optional>
  <zeroOrMore><element name="entry"><ref name="language"/><interleave>
    <element name="id">{_URI}</element>
    <element name="title"><ref name="words"/></element>
    <element name="updated"><ref name="date"/></element>
    <optional><element name="published"><ref name="date"/></element></optional>
    <oneOrMore><ref name="link"/></oneOrMore>
    <zeroOrMore><ref name="author"/></zeroOrMore>
    <optional><element name="summary"><ref name="words"/></element></optional>
    <optional><element name="content"><ref name="words"/></element></optional>
  </interleave></element></zeroOrMore>
</interleave></element></start>
<define name="language"><optional><attribute name="xml:lang"><data type="language"/></attribute></optional></define>
<define name="words"><optional><attribute name="type"><choice><value>text</value><value>html</value></choice></attribute></optional><text/></define>
<define name="date"><data type="dateTime"><param name="pattern">.*(Z|[+\\-]\\d\\d:\\d\\d)</param></data></define>
<define name="author"><element name="author"><element name="name">{_SAID}</element></element></define>
<define name="link"><element name="link"><attribute name="href">{_URI}</attribute>
  <attribute name="rel"><choice><value>self</value><value>alternate</value></choice></attribute>
  <optional><attribute name="type"><text/></attribute></optional></element></define>
</grammar>"""

_WORDS: Final = {"type": "string", "minLength": 1}
_LINK: Final = {"type": "string", "format": "uri"}
_TIME: Final = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
_AUTHORS: Final = {"type": "array", "items": {"type": "object", "properties": {"name": _WORDS}, "minProperties": 1}}
JSON_FEED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["version", "title", "items"],
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": _WORDS,
        "home_page_url": _LINK,
        "feed_url": _LINK,
        "description": _WORDS,
        "language": _WORDS,
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id"],
                "anyOf": [{"required": ["content_html"]}, {"required": ["content_text"]}],
                "properties": {
                    "id": _WORDS,
                    "url": _LINK,
                    "title": _WORDS,
                    "summary": _WORDS,
                    "content_html": _WORDS,
                    "content_text": {"type": "string"},
                    "date_published": _TIME,
                    "date_modified": _TIME,
                    "language": _WORDS,
                    "authors": _AUTHORS,
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
