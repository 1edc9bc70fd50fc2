"""Made-up feeds and pages for the ingest benches: of the sizes and shapes that outlets publish, always the same."""

import json
import random

_WORDS = (
    "harbour ferry council storm budget election minister tugs coast river bridge school hospital market talks prices workers union vote court "
    "police fire rescue captain island mainland tide wind rain summer winter morning evening officials residents reporters statement plan report"
)
WORDS = _WORDS.split()


def sentence(random_: random.Random) -> str:
    """Give a sentence of 8 to 24 words."""
    words = random_.choices(WORDS, k=random_.randint(8, 24))
    return " ".join(words).capitalize() + "."


def paragraph(random_: random.Random) -> str:
    """Give two to five sentences."""
    return " ".join(sentence(random_) for _ in range(random_.randint(2, 5)))


def feed(seed: int, *, items: int = 40, full_text: bool = False, atom: bool = False) -> bytes:
    """Give a feed: RSS 2.0 with dc and media, or Atom."""
    random_ = random.Random(seed)
    entries = []
    for number in range(items):
        title = sentence(random_)[:80]
        link = f"https://outlet{seed}.example/news/2025/05/{number}-{random_.choice(WORDS)}-{random_.choice(WORDS)}?utm_source=rss"
        lead = f"&lt;p&gt;{paragraph(random_)}&lt;/p&gt;&lt;img src=&quot;/i/{number}.jpg&quot;&gt;"
        body = "".join(f"<p>{paragraph(random_)} <a href='/x'>more</a></p>" for _ in range(8)) if full_text else ""
        if atom:
            content = f'<content type="html"><![CDATA[{body}]]></content>' if full_text else ""
            entries.append(
                f'<entry><title type="html">{title}</title><link href="{link}"/><id>urn:{seed}:{number}</id><updated>2025-05-06T08:{number % 60:02}:00Z</updated>'
                f'<author><name>Jane Doe</name></author><summary type="html">{lead}</summary>{content}</entry>'
            )
        else:
            content = f"<content:encoded><![CDATA[{body}]]></content:encoded>" if full_text else ""
            entries.append(
                f'<item><title>{title}</title><link>{link.replace("&", "&amp;")}</link><guid isPermaLink="false">{seed}-{number}</guid>'
                f"<pubDate>Tue, 06 May 2025 08:{number % 60:02}:00 GMT</pubDate><dc:creator>Jane Doe</dc:creator><category>News</category>"
                f'<media:content url="https://outlet{seed}.example/i/{number}.jpg" medium="image"/><description>{lead}</description>{content}</item>'
            )
    if atom:
        return f'<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Outlet</title>{"".join(entries)}</feed>'.encode()
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/">'
        f"<channel><title>Outlet</title><link>https://outlet{seed}.example/</link><language>en</language>{''.join(entries)}</channel></rss>"
    ).encode()


def page(seed: int) -> bytes:
    """Give an article page with navigation, teasers, scripts, JSON-LD and OpenGraph, 30 to 200 KB as outlets' are."""
    random_ = random.Random(seed)
    title = sentence(random_)[:90]
    data = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": title,
        "datePublished": "2025-05-06T08:00:00+02:00",
        "author": [{"@type": "Person", "name": "Jane Doe"}],
        "publisher": {"@type": "Organization", "name": "Outlet"},
        "image": [f"https://outlet{seed}.example/i.jpg"],
    }
    navigation = "".join(
        f'<li class="nav__item"><a href="/s/{number}" data-track="nav-{number}">{random_.choice(WORDS)}</a></li>' for number in range(80)
    )
    teasers = "".join(
        f'<div class="teaser teaser--{number % 3}"><a href="/t/{number}"><img src="/t/{number}.jpg" alt=""><h3>{sentence(random_)[:70]}</h3></a><p>{sentence(random_)}</p></div>'
        for number in range(random_.randint(20, 60))
    )
    body = "".join(
        f"<p>{paragraph(random_)}</p>"
        + ('<figure><img src="/f.jpg"><figcaption>A caption</figcaption></figure>' if number % 6 == 3 else "")
        for number in range(random_.randint(8, 40))
    )
    script = json.dumps({str(number): random_.random() for number in range(random_.randint(500, 5_000))})
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title} | Outlet</title><meta property="og:title" content="{title}">'
        f'<meta property="og:site_name" content="Outlet"><meta property="og:type" content="article"><link rel="canonical" href="https://outlet{seed}.example/a">'
        f'<script type="application/ld+json">{json.dumps(data)}</script><script>window.__DATA__={script}</script></head><body>'
        f'<header><nav><ul>{navigation}</ul></nav></header><main><article><h1>{title}</h1><p class="byline">By Jane Doe</p>{body}</article>'
        f"<aside>{teasers}</aside></main><footer><ul>{navigation}</ul><p>© Outlet</p></footer></body></html>"
    ).encode()
