"""What a finding of `link` does: a story learns that another language tells the same event, or no longer does."""

from services.cluster.assign.draft import Draft
from shared.contracts import CrossLink, Evidence, Reason
from shared.errors import Refused

LINKS_LIMIT = 50
"""Links that a story's message holds."""


def take_link(draft: Draft, link: CrossLink) -> None:
    """Handle a link, its other story's new size, or its end. What is so already changes nothing.

    Raises `Refused` for a story that is not known.
    """
    story = draft.live_story(link.story_id)
    if story is None:
        raise Refused("unknown_story", f"link to {link.other_story_id}: story {link.story_id} is not known here")
    held = next((entry for entry in story.links if entry[0] == link.other_story_id), None)
    if not link.linked and held is None:
        return
    others = tuple(entry for entry in story.links if entry is not held)
    if link.linked:
        count = link.other_article_count
        entry = (link.other_story_id, link.other_language, count if count is not None else held[2] if held is not None else 0)
        if entry == held:
            return
        if len(others) >= LINKS_LIMIT:
            raise Refused("too_many_links", f"story {story.story_id} has {LINKS_LIMIT} links")
        others = (*others, entry)
    draft.revise(
        story.story_id,
        Reason.LINKED if link.linked else Reason.UNLINKED,
        links=others,
        evidence=Evidence(score=round(link.score, 4), note=f"{link.other_language} {link.other_story_id}"),
    )
