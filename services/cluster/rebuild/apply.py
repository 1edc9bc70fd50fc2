"""The difference told: commands are sent in chunks, and assign is waited for, until nothing is left to say."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from services.cluster.rebuild.compare import Difference, compare
from services.cluster.rebuild.constrain import constrain
from services.cluster.rebuild.folder import Folder, RebuildSettings
from services.cluster.rebuild.plan import Signature, in_chunks, plan
from services.cluster.rebuild.source import StateTail, state_tail
from shared.contracts import Command, InputKind, StoryInput
from shared.errors import Unreachable
from shared.kafka.decision import Output
from shared.kafka.tables import Sender
from shared.topics import STORY_INPUTS

ROUNDS = 20
"""Plans made for one partition at most; two or three are needed, more where much comes in meanwhile."""
POLL_S = 0.05


@dataclass(slots=True)
class Applied:
    """What applying did. `left`: commands that assign did not carry out, such as those that an editor's later word forbids."""

    sent: int = 0
    rounds: int = 0
    left: int = 0


async def difference(settings: RebuildSettings) -> Difference:
    """Compare what stands now with the finished rebuild. Raises `Refused` and `Unreachable`."""
    folder = Folder(settings.rebuild_folder)
    whole = Difference()
    for partition in folder.finished().partitions:
        async with state_tail(settings, partition) as tail:
            standing = await tail.catch_up()
        whole.add(compare(standing, constrain(standing, folder.groups(partition))))
    return whole


async def apply(settings: RebuildSettings, actor: str, why: str, tell: Callable[[int, int], None]) -> Applied:
    """Send what is left of the difference. Killed at any point, it goes on when it is called again.

    `tell` hears the partition and how many commands are done. Raises `Refused` and `Unreachable`.
    """
    folder = Folder(settings.rebuild_folder)
    progress = folder.finished()
    whole = Applied()
    async with Sender(settings) as sender:
        for partition in progress.partitions:
            signature = Signature(UUID(progress.rebuild_id), actor, why, datetime.now(UTC))
            async with state_tail(settings, partition) as tail:
                await tail.catch_up()
                one = await _Partition(settings, tail, folder.groups(partition), signature, sender, tell).apply()
            whole = Applied(whole.sent + one.sent, max(whole.rounds, one.rounds), whole.left + one.left)
    folder.note_applied({"actor": actor, "why": why, **asdict(whole)})
    return whole


@dataclass(slots=True)
class _Partition:
    settings: RebuildSettings
    tail: StateTail
    clustered: dict[UUID, UUID]
    signature: Signature
    sender: Sender
    tell: Callable[[int, int], None]

    async def apply(self) -> Applied:
        applied = Applied()
        if not self.clustered:
            return applied
        # Commands of an earlier call that was killed are on their way: what they do must stand before the next plan is made.
        await self._reach(await self.tail.inputs_end())
        tried: set[UUID] = set()
        while applied.rounds < ROUNDS:
            standing = self.tail.standing
            signature = replace(self.signature, at=datetime.now(UTC))
            commands = plan(standing, constrain(standing, self.clustered), signature)
            fresh = [command for command in commands if command.command_id not in tried]
            if not fresh:
                applied.left = len(commands)
                return applied
            applied.rounds += 1
            for chunk in in_chunks(fresh, self.settings.rebuild_chunk):
                await self._send(chunk)
                tried.update(command.command_id for command in chunk)
                applied.sent += len(chunk)
                self.tell(standing.partition, applied.sent)
        return applied

    async def _send(self, chunk: Sequence[Command]) -> None:
        partition = self.tail.standing.partition
        await self.sender.send(
            Output(
                STORY_INPUTS, str(command.into_story_id or command.story_id), StoryInput(kind=InputKind.COMMAND, command=command), partition
            )
            for command in chunk
        )
        await self._reach(await self.tail.inputs_end())

    async def _reach(self, offset: int) -> None:
        """Wait until assign has taken all inputs before an offset."""
        deadline = time.monotonic() + self.settings.rebuild_wait_s
        seen = -1
        while (await self.tail.catch_up()).next_offset < offset and await self.tail.has_input(self.tail.standing.next_offset, offset):
            if self.tail.standing.next_offset > seen:
                seen, deadline = self.tail.standing.next_offset, time.monotonic() + self.settings.rebuild_wait_s
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"assign does not go on in {STORY_INPUTS.name}[{self.tail.standing.partition}]: it is at {seen} of {offset}. "
                    "Start it (slugline status shows it), then again: slugline rebuild apply"
                )
            await asyncio.sleep(POLL_S)
