"""The wiring of assign: a partition owner on `story_inputs.v1` around the pure `AssignLogic`, and the clock."""

import asyncio

from services.cluster.assign.decide import AssignLogic
from services.cluster.config import AssignSettings
from shared import health, metrics
from shared.clock import WatchedClock
from shared.contracts import Clock, InputKind, StoryInput, StoryUpdated
from shared.kafka.decision import Decision, Output
from shared.kafka.owner import PartitionOwner
from shared.kafka.partition import Submit
from shared.logs import get_logger
from shared.topics import ASSIGN_STATE, STORY_INPUTS

log = get_logger()

STAGE = "assign"

REVISIONS = metrics.counter("slugline_story_revisions_total", "Revisions of stories", "reason")
OPEN_STORIES = metrics.gauge("slugline_open_stories", "Open stories", "partition")
OPEN_ARTICLES = metrics.gauge("slugline_open_articles", "Articles of open stories", "partition")


class ClockedAssign(AssignLogic):
    """Puts the time on the wall into the one input order, so that quiet stories close and a replay closes the same ones."""

    def __init__(self, partition: int, settings: AssignSettings, clock: WatchedClock | None = None) -> None:
        """Hold one partition's stories."""
        super().__init__(partition, settings)
        self._watched = clock or WatchedClock()
        self._jump_limit_s = settings.clock_jump_limit_s
        self._clock_partition = partition
        self._clock_interval_s = settings.clock_interval_s

    def apply(self, decision: Decision) -> None:
        """Take a decision over, and count what it did."""
        super().apply(decision)
        for output in decision.outputs:
            if isinstance(output.value, StoryUpdated):
                REVISIONS.labels(output.value.reason).inc()
        OPEN_STORIES.labels(str(self._clock_partition)).set(len(self.state.growth))
        OPEN_ARTICLES.labels(str(self._clock_partition)).set(self.state.shelves.open_articles)

    async def act(self, submit: Submit) -> None:
        """Append a clock record to the partition's own input, again and again, but none of a clock that was put forward."""
        told = False
        while True:
            await asyncio.sleep(self._clock_interval_s)
            jumped_s = self._watched.jumped_s()
            if jumped_s <= self._jump_limit_s:
                told = False
                await submit(self._clock)
            elif not told:
                told = True
                log.error(
                    "clock_jumped",
                    partition=self._clock_partition,
                    seconds=round(jumped_s),
                    then="no quiet story closes. Is the clock wrong, set it right (NTP), and it goes on; is it right now, restart assign",
                )

    def _clock(self) -> Decision:
        clock = StoryInput(kind=InputKind.CLOCK, clock=Clock(at=self._watched.now()))
        return Decision(outputs=(Output(STORY_INPUTS, "clock", clock, self._clock_partition),))


async def run(settings: AssignSettings, stop: asyncio.Event) -> None:
    """Assign until `stop` is set. Raises what must end the process."""
    readiness = health.Readiness()

    def make_logic(partition: int) -> ClockedAssign:
        return ClockedAssign(partition, settings)

    owner = PartitionOwner(
        stage=STAGE,
        source=STORY_INPUTS,
        changelog=ASSIGN_STATE,
        make_logic=make_logic,
        settings=settings,
        readiness=readiness,
        make_standby=make_logic if settings.standby else None,
    )
    runner = await health.serve(readiness, settings)
    try:
        await owner.run(stop)
    finally:
        if runner is not None:
            await runner.cleanup()
