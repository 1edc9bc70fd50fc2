"""What readers ask of the database: each question is one function, and its answer a frozen dataclass.

Comes in: a pool or a connection made by `services.publish.connect`. Goes out: rows as readers may see them, which means that
no sentence is given that cites an article which is no longer a member, and a merged story's id leads to where it lives on.
Nothing here writes, except the readers' reports.
"""

from services.publish.read.articles import article
from services.publish.read.feeds import COUNTED, feed_page, feeds, latest_stories, publisher
from services.publish.read.freshness import freshness
from services.publish.read.history import changes_since, history
from services.publish.read.models import (
    Article,
    Change,
    Changes,
    Database,
    FeedPage,
    FeedSummary,
    Freshness,
    Hit,
    Link,
    Member,
    Page,
    Publisher,
    Redirect,
    Report,
    SearchResult,
    Section,
    Sentence,
    Story,
    StoryDetail,
    WorkerStatus,
)
from services.publish.read.reports import report_story, reports, resolve_report
from services.publish.read.search import search
from services.publish.read.stories import members, resolve, story

__all__ = [
    "COUNTED",
    "Article",
    "Change",
    "Changes",
    "Database",
    "FeedPage",
    "FeedSummary",
    "Freshness",
    "Hit",
    "Link",
    "Member",
    "Page",
    "Publisher",
    "Redirect",
    "Report",
    "SearchResult",
    "Section",
    "Sentence",
    "Story",
    "StoryDetail",
    "WorkerStatus",
    "article",
    "changes_since",
    "feed_page",
    "feeds",
    "freshness",
    "history",
    "latest_stories",
    "members",
    "publisher",
    "report_story",
    "reports",
    "resolve",
    "resolve_report",
    "search",
    "story",
]
