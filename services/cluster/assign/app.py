"""The wiring of assign: a partition owner on `story_inputs.v1` around the pure `AssignLogic`, and the clock."""

import asyncio
from datetime import UTC, datetime

from services.cluster.assign.decide import AssignLogic
from services.cluster.config import AssignSettings
from shared import health, metrics
from shared.contracts import Clock, InputKind, StoryInput, StoryUpdated
from shared.kafka.decision import Decision, Output
from shared.kafka.owner import PartitionOwner
from shared.kafka.partition import Submit
from shared.topics import ASSIGN_STATE, STORY_INPUTS

STAGE = "assign"

REVISIONS = metrics.counter("slugline_story_revisions_total", "Revisions of stories", "reason")
OPEN_ARTICLES = metrics.gauge("slugline_open_articles", "Articles of open stories", "partition")


class ClockedAssign(AssignLogic):
    """Puts the time on the wall into the one input order, so that quiet stories close and a replay closes the same ones."""

    def __init__(self, partition: int, settings: AssignSettings) -> None:
        """Hold one partition's stories."""
        super().__init__(partition, settings)
        self._clock_partition = partition
        self._clock_interval_s = settings.clock_interval_s

    def apply(self, decision: Decision) -> None:
        """Take a decision over, and count what it did."""
        super().apply(decision)
        for output in decision.outputs:
            if isinstance(output.value, StoryUpdated):
                REVISIONS.labels(output.value.reason).inc()
        OPEN_ARTICLES.labels(str(self._clock_partition)).set(self.state.shelves.open_articles)

    async def act(self, submit: Submit) -> None:
        """Append a clock record to the partition's own input, again and again."""
        while True:
            await asyncio.sleep(self._clock_interval_s)
            await submit(self._clock)

    def _clock(self) -> Decision:
        clock = StoryInput(kind=InputKind.CLOCK, clock=Clock(at=datetime.now(UTC)))
        return Decision(outputs=(Output(STORY_INPUTS, "clock", clock, self._clock_partition),))


async def run(settings: AssignSettings, stop: asyncio.Event) -> None:
    """Assign until `stop` is set. Raises what must end the process."""
    readiness = health.Readiness()
    owner = PartitionOwner(
        stage=STAGE,
        source=STORY_INPUTS,
        changelog=ASSIGN_STATE,
        make_logic=lambda partition: ClockedAssign(partition, settings),
        settings=settings,
        readiness=readiness,
    )
    runner = await health.serve(readiness, settings)
    try:
        await owner.run(stop)
    finally:
        if runner is not None:
            await runner.cleanup()
