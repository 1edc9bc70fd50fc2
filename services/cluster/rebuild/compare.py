"""What a rebuild would change, for people and for programs. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.cluster.evaluate.measure import Agreement, bcubed
from services.cluster.rebuild.constrain import Group, Grouping
from services.cluster.rebuild.plan import kept_ids
from services.cluster.rebuild.standing import Standing

LISTED_ARTICLES = 12
"""Articles that a change lists of each of its parts."""


@dataclass(frozen=True, slots=True)
class Part:
    """Articles that are together now and will be together: of which story they come, and where they go."""

    story_id: UUID
    headline: str
    into: UUID | None
    """The story that they will be in; None: a new one."""
    group: str
    articles: tuple[dict[str, Any], ...]
    count: int


@dataclass(frozen=True, slots=True)
class Change:
    """One connected change: stories that exchange articles with each other. `kind`: merged, split, moved or mixed."""

    kind: str
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Count the articles of the stories concerned."""
        return sum(part.count for part in self.parts)


@dataclass(slots=True)
class Difference:
    """What would change, of one partition or of all."""

    articles: int = 0
    not_clustered: int = 0
    """Present articles that the rebuild has not clustered: they came since, or their text is kept no more."""
    kept_by_editor: int = 0
    stories_before: int = 0
    stories_after: int = 0
    unchanged: int = 0
    merged: int = 0
    split: int = 0
    moved: int = 0
    before: list[tuple[int, UUID]] = field(default_factory=list)
    after: list[tuple[int, Group]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def agreement(self) -> Agreement:
        """Give BCubed agreement of the new grouping with the present one, over the articles that were clustered."""
        return bcubed(self.before, self.after)

    def add(self, other: "Difference") -> None:
        """Add another partition's."""
        for name in (
            "articles",
            "not_clustered",
            "kept_by_editor",
            "stories_before",
            "stories_after",
            "unchanged",
            "merged",
            "split",
            "moved",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.before += other.before
        self.after += other.after
        self.changes = sorted([*self.changes, *other.changes], key=lambda change: -change.size)

    def to_json(self, limit: int) -> dict[str, Any]:
        """Give all figures and the `limit` largest changes as JSON values."""
        agreement = self.agreement
        return {
            "articles": self.articles,
            "not_clustered": self.not_clustered,
            "kept_by_editor": self.kept_by_editor,
            "stories": {"before": self.stories_before, "after": self.stories_after, "unchanged": self.unchanged},
            "merged": self.merged,
            "split": self.split,
            "moved": self.moved,
            "bcubed": {"precision": round(agreement.precision, 4), "recall": round(agreement.recall, 4), "f1": round(agreement.f1, 4)},
            "changes": [_change_json(change) for change in self.changes[:limit]],
            "changes_in_all": len(self.changes),
        }


def compare(standing: Standing, grouping: Grouping) -> Difference:
    """Compare what stands with a grouping, articles that are present alone.

    `merged`: stories that will redirect; `split`: new stories; `moved`: articles that go from one story that stays to another.
    """
    kept = kept_ids(standing, grouping)
    present = [member for member in standing.placed() if member.present]
    story_of = standing.stories_of(present)
    parts: dict[tuple[UUID, Group], list[UUID]] = defaultdict(list)
    for member in sorted(present, key=lambda member: member.number):
        parts[story_of[member.article_id], grouping.groups[member.article_id]].append(member.article_id)
    stories, groups = {story for story, _ in parts}, {group for _, group in parts}
    keepers = frozenset(kept.values())
    closed = {story_id for story_id in stories if standing.stories[story_id].closed_by_editor}
    difference = Difference(
        articles=len(present),
        not_clustered=sum(member.article_id not in grouping.seen and story_of[member.article_id] not in closed for member in present),
        kept_by_editor=sum(story_of[member.article_id] in closed for member in present),
        stories_before=len(stories),
        stories_after=len(groups),
        merged=len(stories - keepers),
        split=len(groups) - len(kept),
        moved=sum(
            len(articles) for (story_id, group), articles in parts.items() if story_id in keepers and kept.get(group, story_id) != story_id
        ),
        before=[(standing.partition, story_of[article_id]) for article_id in sorted(grouping.seen)],
        after=[(standing.partition, grouping.groups[article_id]) for article_id in sorted(grouping.seen)],
    )
    for cluster in _connected(parts):
        if len(cluster) == 1:
            difference.unchanged += 1
        else:
            difference.changes.append(_change(standing, cluster, parts, kept))
    difference.changes.sort(key=lambda change: -change.size)
    return difference


def _connected(parts: Iterable[tuple[UUID, Group]]) -> list[list[tuple[UUID, Group]]]:
    """Give the parts that hang together by a story or a group."""
    by_end: dict[tuple[str, Any], list[tuple[UUID, Group]]] = defaultdict(list)
    for part in parts:
        by_end["story", part[0]].append(part)
        by_end["group", part[1]].append(part)
    reached: set[tuple[UUID, Group]] = set()
    found = []
    for start in parts:
        if start in reached:
            continue
        reached.add(start)
        cluster = [start]
        for story_id, group in cluster:
            fresh = [part for part in (*by_end["story", story_id], *by_end["group", group]) if part not in reached]
            for part in fresh:
                if part not in reached:
                    reached.add(part)
                    cluster.append(part)
        found.append(cluster)
    return found


def _change(
    standing: Standing,
    cluster: list[tuple[UUID, Group]],
    parts: Mapping[tuple[UUID, Group], list[UUID]],
    kept: Mapping[Group, UUID],
) -> Change:
    stories = Counter(story_id for story_id, _ in cluster)
    groups = Counter(group for _, group in cluster)
    if len(groups) == 1:
        kind = "merged"
    elif len(stories) == 1:
        kind = "split"
    else:
        kind = "moved" if len(stories) == len(groups) else "mixed"
    ordered = sorted(cluster, key=lambda part: (standing.stories[part[0]].ordinal, -len(parts[part]), str(part[1])))
    return Change(kind, tuple(_part(standing, part, parts[part], kept) for part in ordered))


def _part(standing: Standing, part: tuple[UUID, Group], articles: list[UUID], kept: Mapping[Group, UUID]) -> Part:
    story_id, group = part
    listed = tuple(
        {"article_id": str(article_id), "title": member.title, "url": member.url, "publisher": member.publisher_name}
        for article_id in articles[:LISTED_ARTICLES]
        if (member := standing.members.get(article_id)) is not None
    )
    return Part(story_id, standing.stories[story_id].headline, kept.get(group), str(group), listed, len(articles))


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "articles": change.size,
        "parts": [
            {
                "story_id": str(part.story_id),
                "headline": part.headline,
                "into": None if part.into is None else str(part.into),
                "group": part.group,
                "articles": part.count,
                "listed": list(part.articles),
            }
            for part in change.parts
        ],
    }
