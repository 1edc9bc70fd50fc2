"""A grouping bent to what stands and must stand: editors' ties, and the stories that editors closed. Pure."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.cluster.rebuild.standing import Standing

Group = Hashable
"""Names a group: a story's id of the rebuild, or a mark of its own."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """A group for every member of a partition's stories. `seen`: those that the rebuild has clustered."""

    groups: Mapping[UUID, Group]
    seen: frozenset[UUID]


def constrain(standing: Standing, clustered: Mapping[UUID, UUID]) -> Grouping:
    """Give every member a group.

    - Who was not clustered (it came since, is withdrawn, or is kept no more) goes where most of its story goes.
    - Whom editors tied together is together: where most of them are. Whom they keep apart is apart, as it stands now.
    - A story that an editor closed stays as it is, and so does one of which less than half was clustered: too little is known of it.
    """
    placed = standing.placed()
    story_of = standing.stories_of(placed)
    known = _well_known(standing, clustered)
    seen = frozenset(
        member.article_id for member in placed if member.present and member.article_id in clustered and story_of[member.article_id] in known
    )
    groups: dict[UUID, Group] = {article_id: clustered[article_id] for article_id in seen}
    homes: dict[UUID, Counter[Group]] = defaultdict(Counter)
    for article_id in seen:
        homes[story_of[article_id]][groups[article_id]] += 1
    for member in placed:
        if member.article_id not in groups:
            story_id = story_of[member.article_id]
            groups[member.article_id] = _most(homes[story_id]) if homes[story_id] else ("as it is", story_id)
    _join(standing, groups)
    _part(standing, groups, story_of)
    return Grouping(groups, seen)


def _well_known(standing: Standing, clustered: Mapping[UUID, UUID]) -> set[UUID]:
    """Give the stories of which the rebuild may say something."""
    present: Counter[UUID] = Counter()
    found: Counter[UUID] = Counter()
    for member in standing.placed():
        if member.present and member.story_id is not None:
            present[member.story_id] += 1
            found[member.story_id] += member.article_id in clustered
    return {
        story_id for story_id in present if 2 * found[story_id] >= present[story_id] and not standing.stories[story_id].closed_by_editor
    }


def _most(counts: Counter[Group]) -> Group:
    return min(counts, key=lambda group: (-counts[group], str(group)))


def _together(standing: Standing, groups: Mapping[UUID, Group]) -> list[list[UUID]]:
    """Give the articles that editors tied together, directly or by way of others."""
    near: dict[UUID, list[UUID]] = defaultdict(list)
    for (one, other), tie in standing.ties.items():
        if tie.kind == "must" and one in groups and other in groups:
            near[one].append(other)
            near[other].append(one)
    found: list[list[UUID]] = []
    reached: set[UUID] = set()
    for start in sorted(near):
        if start in reached:
            continue
        reached.add(start)
        component = [start]
        for article_id in component:
            fresh = [other for other in near[article_id] if other not in reached]
            reached.update(fresh)
            component += fresh
        found.append(component)
    return found


def _join(standing: Standing, groups: dict[UUID, Group]) -> None:
    for component in _together(standing, groups):
        group = _most(Counter(groups[article_id] for article_id in component))
        groups.update(dict.fromkeys(component, group))


def _part(standing: Standing, groups: dict[UUID, Group], story_of: Mapping[UUID, UUID]) -> None:
    """Divide a group in which articles are that editors keep apart: each goes with what is tied to it, by the story where it is now."""
    part_of: dict[UUID, Sequence[UUID]] = {article_id: component for component in _together(standing, groups) for article_id in component}
    torn: dict[Group, set[UUID]] = defaultdict(set)
    for (one, other), tie in standing.ties.items():
        if tie.kind == "cannot" and one in groups and other in groups and groups[one] == groups[other] and story_of[one] != story_of[other]:
            torn[groups[one]].update((*part_of.get(one, (one,)), *part_of.get(other, (other,))))
    for group, bound in torn.items():
        sizes = Counter(story_of[article_id] for article_id, theirs in groups.items() if theirs == group)
        keeps = min({story_of[article_id] for article_id in bound}, key=lambda story_id: (-sizes[story_id], str(story_id)))
        for article_id in _whole(bound, part_of):
            story_id = Counter(story_of[tied] for tied in part_of.get(article_id, (article_id,))).most_common(1)[0][0]
            if story_id != keeps:
                groups[article_id] = (group, story_id)


def _whole(bound: Iterable[UUID], part_of: Mapping[UUID, Sequence[UUID]]) -> set[UUID]:
    return {tied for article_id in bound for tied in part_of.get(article_id, (article_id,))}
