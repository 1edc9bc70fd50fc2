"""The pages, as a reader without JavaScript gets them."""

from uuid import uuid4

from tests.web.conftest import Web
from tests.web.newsroom import FERRY_HEADLINE, FERRY_REPORTS, FERRY_SECTIONS, Newsroom, Report, fill


async def test_a_story_page_says_what_it_is_made_of(web: Web, newsroom: Newsroom) -> None:
    """Headline, counts, sections, citations that lead to numbered sources, sources with their outlets' links."""
    story_id = await fill(newsroom)
    status, page, _ = await web.get(f"/stories/{story_id}")
    assert status == 200
    assert FERRY_HEADLINE in page
    assert "Updated (4 articles)" in page
    assert "4 articles from 3 independent publishers" in page
    assert "Sources (4 articles)" in page
    for heading, _ in FERRY_SECTIONS:
        assert f">{heading}</h2>" in page
    for number, report in enumerate(FERRY_REPORTS, 1):
        assert f'href="#source-{number}"' in page
        assert f'id="source-{number}"' in page
        assert f'href="https://{report.domain}/ferry/{number}" rel="noopener nofollow"' in page
    assert "also in" in page
    assert len(page.encode()) < 60_000
