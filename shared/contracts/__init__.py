"""The messages on the topics: one frozen pydantic model a file. Import them from here."""

from shared.contracts.article import Article, ArticleStatus, Extraction, Publisher
from shared.contracts.base import TEXT_LIMIT_BYTES, Message
from shared.contracts.brief import Brief, Section, Sentence
from shared.contracts.dead_letter import DeadLetter
from shared.contracts.discovery import Discovery, DiscoveryKind
from shared.contracts.feed import Feed
from shared.contracts.story import Member, MemberRef, Story, StoryLink, StoryStatus
from shared.contracts.story_input import Clock, Command, CommandOp, CrossLink, EnrichedArticle, Features, InputKind, StoryInput
from shared.contracts.story_updated import Actor, Evidence, Reason, StoryUpdated

__all__ = [
    "TEXT_LIMIT_BYTES",
    "Actor",
    "Article",
    "ArticleStatus",
    "Brief",
    "Clock",
    "Command",
    "CommandOp",
    "CrossLink",
    "DeadLetter",
    "Discovery",
    "DiscoveryKind",
    "EnrichedArticle",
    "Evidence",
    "Extraction",
    "Features",
    "Feed",
    "InputKind",
    "Member",
    "MemberRef",
    "Message",
    "Publisher",
    "Reason",
    "Section",
    "Sentence",
    "Story",
    "StoryInput",
    "StoryLink",
    "StoryStatus",
    "StoryUpdated",
]
