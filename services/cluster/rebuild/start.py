"""A rebuild's run: read what stands, gather or make features, group anew, keep the outcome. Partitions run side by side."""

import asyncio
import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from uuid import UUID, uuid4

from threadpoolctl import threadpool_limits

from services.cluster.assign.records import MemberRecord
from services.cluster.config import StoryRules
from services.cluster.enrich.features import FEATURES_VERSION, FeatureMaker
from services.cluster.rebuild.folder import Folder, PartitionProgress, Progress, RebuildSettings
from services.cluster.rebuild.regroup import Past, in_order, regroup
from services.cluster.rebuild.source import kept_inputs, kept_texts, state_tail
from services.cluster.rebuild.standing import Standing
from shared.contracts import ArticleStatus, EnrichedArticle, Features, Publisher
from shared.errors import SluglineError
from shared.health import running_version
from shared.kafka import admin as kafka_admin
from shared.topics import STORY_PARTITIONS

Tell = Callable[[int, PartitionProgress], None]
SAVE_S = 0.5
NICENESS = 19
"""A rebuild takes only what the live services of its machine leave: where one of them wants a core, it gets a seventieth of it."""


async def rebuild(settings: RebuildSettings, *, re_enrich: bool, tell: Tell, since: datetime | None = None) -> Progress:
    """Cluster all partitions. A failure is noted in the folder and raised. `tell` hears of each partition's progress.

    `since`: stories with an article that came earlier are left as they are.
    """
    async with kafka_admin.connected(settings):
        pass  # a broker that is away is told once, not by each partition
    folder = Folder(settings.rebuild_folder)
    rules = settings.model_dump(mode="json", include=set(StoryRules.__annotations__))
    progress = Progress(str(uuid4()), running_version(), FEATURES_VERSION, datetime.now(UTC).isoformat(), rules)
    progress.partitions = {partition: PartitionProgress() for partition in range(STORY_PARTITIONS)}
    folder.save(progress)
    pool = ProcessPoolExecutor(settings.rebuild_processes or os.cpu_count() or 1, mp_context=multiprocessing.get_context("spawn"))
    try:
        loop = asyncio.get_running_loop()
        work = [loop.run_in_executor(pool, cluster, settings, partition, re_enrich, since) for partition in progress.partitions]
        for one in work:
            one.add_done_callback(_look_at)
        pending: set[asyncio.Future[None]] = set(work)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=SAVE_S, return_when=asyncio.FIRST_EXCEPTION)
            for one in done:
                one.result()
            for partition in progress.partitions:
                progress.partitions[partition] = folder.partition(partition)
                tell(partition, progress.partitions[partition])
    except BrokenProcessPool as error:
        killed = SluglineError(
            "a process of the rebuild was killed, most likely for want of memory. Cluster one partition at a time "
            "(SLUGLINE_REBUILD_PROCESSES=1), or less of the history (--days 7)"
        )
        progress.state, progress.error = "failed", str(killed)
        raise killed from error
    except BaseException as error:
        progress.state, progress.error = "failed", f"{type(error).__name__}: {error}"
        raise
    else:
        progress.state = "done"
    finally:
        pool.shutdown(wait=progress.state == "done", cancel_futures=True)
        progress.ended_at = datetime.now(UTC).isoformat()
        folder.save(progress)
    return progress


def _look_at(done: "asyncio.Future[None]") -> None:
    """Take a partition's failure as seen: the first one is raised, and the others of a broken pool say the same."""
    if not done.cancelled():
        done.exception()


def cluster(settings: RebuildSettings, partition: int, re_enrich: bool, since: datetime | None) -> None:
    """Cluster one partition, in a process of its own."""
    os.nice(NICENESS)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that does not answer is told in our words
    threadpool_limits(limits=1, user_api="blas")  # threads of several processes would wait for each other
    asyncio.run(_Partition(settings, partition, re_enrich=re_enrich, since=since).run())


class _Partition:
    def __init__(self, settings: RebuildSettings, partition: int, *, re_enrich: bool, since: datetime | None) -> None:
        self._settings = settings
        self._rules = StoryRules(**{name: getattr(settings, name) for name in StoryRules.model_fields})
        self._partition = partition
        self._re_enrich = re_enrich
        self._since = since
        self._folder = Folder(settings.rebuild_folder)
        self._progress = PartitionProgress()
        self._saved_at = 0.0

    async def run(self) -> None:
        progress = self._progress
        self._note("reads")
        began = time.perf_counter()
        async with state_tail(self._settings, self._partition, keep_features=not self._re_enrich) as tail:
            standing = await tail.catch_up()
        members = {member.article_id: member for member in _since(standing, self._since)}
        progress.articles, progress.next_offset = len(members), standing.next_offset
        features = _usable(standing, members)
        await self._read_inputs(members, features)
        progress.reused = len(features)
        progress.read_s = round(time.perf_counter() - began, 3)
        await self._encode(members, features)
        progress.missing = len(members) - len(features)
        self._note("clusters")
        history = in_order(_past(member, features.pop(article_id)) for article_id, member in members.items() if article_id in features)
        began = time.perf_counter()

        def advance(done: int) -> None:
            progress.clustered, progress.cluster_s = done, round(time.perf_counter() - began, 3)
            self._note("clusters", soon=False)

        groups = regroup(self._partition, history, standing.ties, standing.owners, self._rules, advance=advance)
        self._folder.save_groups(self._partition, groups)
        self._note("done")

    async def _read_inputs(self, members: dict[UUID, MemberRecord], features: dict[UUID, Features]) -> None:
        wanted = {article_id: member.version for article_id, member in members.items() if article_id not in features}
        if self._re_enrich or not wanted:
            return
        async for article in kept_inputs(self._settings, self._partition, wanted):
            assert article.features is not None
            if article.features.features_version == FEATURES_VERSION:
                features[article.article_id] = article.features

    async def _encode(self, members: dict[UUID, MemberRecord], features: dict[UUID, Features]) -> None:
        """Make the features that are kept nowhere, from the texts that are."""
        wanted = {article_id: member.version for article_id, member in members.items() if article_id not in features}
        if not wanted:
            return
        self._note("encodes")
        maker: FeatureMaker | None = None
        began = time.perf_counter()
        async for article in kept_texts(self._settings, wanted):
            maker = maker or FeatureMaker()
            features[article.article_id] = maker.features(article.title, article.text, article.language)
            self._progress.encoded = len(features) - self._progress.reused
            self._progress.encode_s = round(time.perf_counter() - began, 3)
            self._note("encodes", soon=False)

    def _note(self, state: str, *, soon: bool = True) -> None:
        self._progress.state = state
        if soon or time.monotonic() - self._saved_at > SAVE_S:
            self._folder.save_partition(self._partition, self._progress)
            self._saved_at = time.monotonic()


def _since(standing: Standing, since: datetime | None) -> list[MemberRecord]:
    """Give the present members of the stories whose articles all came since a time."""
    placed = standing.placed()
    old = {member.story_id for member in placed if since is not None and _came_at(member) < since}
    return [member for member in placed if member.present and member.story_id not in old]


def _usable(standing: Standing, members: dict[UUID, MemberRecord]) -> dict[UUID, Features]:
    """Give the features that assign holds, where this version would make them alike."""
    found = {}
    for article_id in members:
        value = standing.features.pop(article_id, None)
        if value is not None and (features := Features.model_validate_json(value)).features_version == FEATURES_VERSION:
            found[article_id] = features
    standing.features.clear()
    return found


def _past(member: MemberRecord, features: Features) -> Past:
    article = EnrichedArticle(
        article_id=member.article_id,
        version=member.version,
        status=ArticleStatus.PUBLISHED,
        title=member.title,
        url=member.url,
        publisher=Publisher(id=member.publisher_id, name=member.publisher_name),
        language=member.language,
        published_at=member.published_at,
        fetched_at=member.fetched_at,
        features=features,
    )
    return Past(article, _came_at(member), member.seq)


def _came_at(member: MemberRecord) -> datetime:
    """Say when an article came. A correction was fetched later; its time of publication says better when that was."""
    return member.fetched_at if member.version == 1 else member.event_at
