"""Which commands bring the stories that stand to a grouping. Pure.

Each group keeps the id of the story that gives it most of its articles. What is left over is split off, moved or merged. A plan is a
step: a story that is split off is filled by the next plan, made when it stands. At the end the plan is empty.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid5

from services.cluster.assign.records import StoryRecord
from services.cluster.rebuild.constrain import Group, Grouping
from services.cluster.rebuild.standing import Standing
from shared.contracts import Command, CommandOp

ARTICLES_A_COMMAND: Final = 1_000
MERGED_AT_ONCE: Final = 5_000
"""Members of a story that one command may merge away; of a larger one they are moved in parts."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Whose commands they are. `rebuild_id` makes their ids: the same step of the same rebuild is the same command."""

    rebuild_id: UUID
    actor: str
    why: str
    at: datetime


def kept_ids(standing: Standing, grouping: Grouping) -> dict[Group, UUID]:
    """Give the story that each group keeps; none to a group whose stories all belong to larger parts of others."""
    shares: Counter[tuple[Group, UUID]] = Counter()
    for member in standing.placed():
        if member.present and member.story_id is not None:
            shares[grouping.groups[member.article_id], member.story_id] += 1
    ordinal = {story_id: story.ordinal for story_id, story in standing.stories.items()}
    kept: dict[Group, UUID] = {}
    taken: set[UUID] = set()
    for group, story_id in sorted(shares, key=lambda share: (-shares[share], ordinal[share[1]], str(share[0]))):
        if group not in kept and story_id not in taken:
            kept[group] = story_id
            taken.add(story_id)
    return kept


def plan(standing: Standing, grouping: Grouping, signature: Signature) -> list[Command]:
    """Give the next commands, splits first, then moves, then merges; none where the stories are as the grouping says.

    What must wait until an article that an editor keeps apart has left is for the next plan. A command that has been overtaken
    meanwhile is refused by assign, or changes nothing.
    """
    kept = kept_ids(standing, grouping)
    command = partial(_command, standing, signature)
    leaving = _leaving(standing, grouping, kept)
    founders = _founders(standing, leaving, kept)
    into = _dissolved(standing, leaving, kept)
    ready: list[Command] = []
    waiting: list[Command] = []
    for (story_id, group), articles in leaving.items():
        if group not in kept and founders[group] == story_id:
            ready.append(command(CommandOp.SPLIT, story_id, None, articles[:ARTICLES_A_COMMAND]))
    apart = _kept_apart(standing)
    for (story_id, group), articles in leaving.items():
        if group in kept and (into.get(story_id) != kept[group] or _is_large(standing.stories[story_id])):
            moves = [
                command(CommandOp.MOVE, story_id, kept[group], articles[start : start + ARTICLES_A_COMMAND])
                for start in range(0, len(articles), ARTICLES_A_COMMAND)
            ]
            (waiting if _blocked(articles, kept[group], apart) else ready).extend(moves)
    members = _members(standing, into)
    for story_id, target in into.items():
        if not _is_large(standing.stories[story_id]):
            merge = command(CommandOp.MERGE, story_id, target, ())
            (waiting if _blocked(members[story_id], target, apart) else ready).append(merge)
    return ready or [_stepping_aside(standing, command, one) for one in waiting]


def _stepping_aside(standing: Standing, command: Callable[..., Command], waiting: Command) -> Command:
    """Let articles leave into a story of their own for a while, where each of two stories waits for the other's to leave."""
    present = sum(standing.members[article_id].present for article_id in waiting.article_ids)
    assert waiting.story_id is not None
    if waiting.op is CommandOp.MOVE and 0 < present < standing.stories[waiting.story_id].article_count:
        return command(CommandOp.SPLIT, waiting.story_id, None, waiting.article_ids)
    return waiting


def _kept_apart(standing: Standing) -> dict[UUID, set[UUID]]:
    """Give for each article the stories where there is one now that an editor keeps it apart from."""
    apart: dict[UUID, set[UUID]] = defaultdict(set)
    for pair, tie in standing.ties.items():
        for one, other in (pair, pair[::-1]):
            member = standing.members.get(other)
            if tie.kind == "cannot" and member is not None and member.story_id is not None:
                apart[one].add(member.story_id)
    return apart


def _blocked(articles: Sequence[UUID], target: UUID, apart: Mapping[UUID, set[UUID]]) -> bool:
    return any(target in apart.get(article_id, ()) for article_id in articles)


def _members(standing: Standing, stories: Mapping[UUID, UUID]) -> dict[UUID, list[UUID]]:
    members: dict[UUID, list[UUID]] = defaultdict(list)
    for member in standing.placed():
        if member.story_id in stories:
            members[_home(member)].append(member.article_id)
    return members


def _leaving(standing: Standing, grouping: Grouping, kept: Mapping[Group, UUID]) -> dict[tuple[UUID, Group], list[UUID]]:
    """Give the articles that must leave their story, by it and the group they go to; in the order of stories and numbers."""
    leaving: dict[tuple[UUID, Group], list[UUID]] = defaultdict(list)
    for member in sorted(standing.placed(), key=lambda member: (standing.stories[_home(member)].ordinal, member.number)):
        group = grouping.groups[member.article_id]
        if kept.get(group) != member.story_id:
            leaving[_home(member), group].append(member.article_id)
    # A part in which no article is present can't be a story, and no reader sees it move.
    return {part: articles for part, articles in leaving.items() if any(standing.members[article_id].present for article_id in articles)}


def _home(member: Any) -> UUID:
    story_id: UUID = member.story_id
    return story_id


def _founders(standing: Standing, leaving: Mapping[tuple[UUID, Group], Sequence[UUID]], kept: Mapping[Group, UUID]) -> dict[Group, UUID]:
    """Give the story from which each group without a story of its own is split off: the one that gives it most."""
    best: dict[Group, tuple[int, UUID]] = {}
    for (story_id, group), articles in leaving.items():
        if group not in kept:
            present = sum(standing.members[article_id].present for article_id in articles)
            if group not in best or present > best[group][0]:
                best[group] = present, story_id
    return {group: story_id for group, (_, story_id) in best.items()}


def _dissolved(standing: Standing, leaving: Mapping[tuple[UUID, Group], Sequence[UUID]], kept: Mapping[Group, UUID]) -> dict[UUID, UUID]:
    """Give the stories that no group keeps, each with the story that most of its articles go to: its id will redirect there."""
    keepers = frozenset(kept.values())
    shares: dict[UUID, Counter[UUID]] = defaultdict(Counter)
    for (story_id, group), articles in leaving.items():
        if story_id not in keepers and group in kept:
            shares[story_id][kept[group]] += len(articles)
    return {
        story_id: min(counts, key=lambda target: (-counts[target], standing.stories[target].ordinal)) for story_id, counts in shares.items()
    }


def _is_large(story: StoryRecord) -> bool:
    # Members that are withdrawn are merged too; half the limit leaves room for them.
    return story.article_count > MERGED_AT_ONCE // 2


def _command(
    standing: Standing, signature: Signature, op: CommandOp, story_id: UUID, into: UUID | None, articles: Sequence[UUID]
) -> Command:
    # With the revisions: the same command upon another state is another one, and not taken for a repetition.
    revisions = [standing.stories[named].revision for named in (story_id, into) if named is not None]
    named = f"{op}:{story_id}:{into}:{revisions}:{','.join(map(str, articles))}"
    return Command(
        command_id=uuid5(signature.rebuild_id, named),
        op=op,
        story_id=story_id,
        into_story_id=into,
        article_ids=tuple(articles),
        actor=signature.actor,
        why=signature.why,
        at=signature.at,
        machine=True,
    )


def in_chunks(commands: Sequence[Command], size: int) -> Iterator[Sequence[Command]]:
    """Cut commands into chunks, in order."""
    for start in range(0, len(commands), size):
        yield commands[start : start + size]
