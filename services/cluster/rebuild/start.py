"""A rebuild's run: read what stands, gather or make features, group anew, keep the outcome."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

from services.cluster.assign.records import MemberRecord
from services.cluster.config import StoryRules
from services.cluster.enrich.features import FEATURES_VERSION, FeatureMaker
from services.cluster.rebuild.folder import Folder, PartitionProgress, Progress, RebuildSettings
from services.cluster.rebuild.regroup import Past, in_order, regroup
from services.cluster.rebuild.source import kept_inputs, kept_texts, state_tail
from services.cluster.rebuild.standing import Standing
from shared.contracts import ArticleStatus, EnrichedArticle, Features, Publisher
from shared.health import running_version
from shared.topics import STORY_PARTITIONS

Tell = Callable[[int, PartitionProgress], None]
SAVE_S = 0.5


class Rebuild:
    """One run. `tell` hears of each partition's progress."""

    def __init__(self, settings: RebuildSettings, *, re_enrich: bool, tell: Tell) -> None:
        """Keep what to do; `run` reads."""
        self._settings = settings
        self._rules = StoryRules(**{name: getattr(settings, name) for name in StoryRules.model_fields})
        self._re_enrich = re_enrich
        self._tell = tell
        self._folder = Folder(settings.rebuild_folder)
        self._maker: FeatureMaker | None = None
        self._saved_at = 0.0
        rules = self._rules.model_dump(mode="json", include=_own_fields(StoryRules))
        self._progress = Progress(str(uuid4()), running_version(), FEATURES_VERSION, datetime.now(UTC).isoformat(), rules)

    async def run(self) -> Progress:
        """Cluster all partitions; a failure is noted in the folder and raised."""
        self._progress.partitions = {partition: PartitionProgress() for partition in range(STORY_PARTITIONS)}
        self._folder.save(self._progress)
        try:
            for partition, progress in self._progress.partitions.items():
                await self._cluster(partition, progress)
        except BaseException as error:
            self._progress.state, self._progress.error = "failed", f"{type(error).__name__}: {error}"
            raise
        else:
            self._progress.state = "done"
        finally:
            self._progress.ended_at = datetime.now(UTC).isoformat()
            self._folder.save(self._progress)
        return self._progress

    async def _cluster(self, partition: int, progress: PartitionProgress) -> None:
        self._note(partition, "reads")
        began = time.perf_counter()
        async with state_tail(self._settings, partition, keep_features=not self._re_enrich) as tail:
            standing = await tail.catch_up()
        members = {member.article_id: member for member in standing.placed() if member.present}
        progress.articles, progress.next_offset = len(members), standing.next_offset
        features = self._usable(standing, members)
        await self._read_inputs(partition, members, features)
        progress.reused = len(features)
        progress.read_s = round(time.perf_counter() - began, 3)
        await self._encode(partition, members, features, progress)
        progress.missing = len(members) - len(features)
        self._note(partition, "clusters")
        history = in_order(_past(member, features.pop(article_id)) for article_id, member in members.items() if article_id in features)
        began = time.perf_counter()

        def advance(done: int) -> None:
            progress.clustered, progress.cluster_s = done, round(time.perf_counter() - began, 3)
            self._note(partition, "clusters", soon=False)

        groups = regroup(partition, history, standing.ties, standing.owners, self._rules, advance=advance)
        self._folder.save_groups(partition, groups)
        self._note(partition, "done")

    def _usable(self, standing: Standing, members: dict[UUID, MemberRecord]) -> dict[UUID, Features]:
        found = {}
        for article_id in members:
            value = standing.features.pop(article_id, None)
            if value is not None and (features := Features.model_validate_json(value)).features_version == FEATURES_VERSION:
                found[article_id] = features
        standing.features.clear()
        return found

    async def _read_inputs(self, partition: int, members: dict[UUID, MemberRecord], features: dict[UUID, Features]) -> None:
        wanted = {article_id: member.version for article_id, member in members.items() if article_id not in features}
        if self._re_enrich or not wanted:
            return
        async for article in kept_inputs(self._settings, partition, wanted):
            assert article.features is not None
            if article.features.features_version == FEATURES_VERSION:
                features[article.article_id] = article.features

    async def _encode(
        self, partition: int, members: dict[UUID, MemberRecord], features: dict[UUID, Features], progress: PartitionProgress
    ) -> None:
        """Make the features that are kept nowhere, from the texts that are."""
        wanted = {article_id: member.version for article_id, member in members.items() if article_id not in features}
        if not wanted:
            return
        self._note(partition, "encodes")
        began = time.perf_counter()
        async for article in kept_texts(self._settings, wanted):
            self._maker = self._maker or FeatureMaker()
            features[article.article_id] = self._maker.features(article.title, article.text, article.language)
            progress.encoded += 1
            progress.encode_s = round(time.perf_counter() - began, 3)
            self._note(partition, "encodes", soon=False)
        progress.encoded = len(features) - progress.reused

    def _note(self, partition: int, state: str, *, soon: bool = True) -> None:
        progress = self._progress.partitions[partition]
        progress.state = state
        self._tell(partition, progress)
        if soon or time.monotonic() - self._saved_at > SAVE_S:
            self._folder.save(self._progress)
            self._saved_at = time.monotonic()


def _own_fields(rules: type[StoryRules]) -> set[str]:
    return set(rules.__annotations__)


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
    # A correction was fetched later than the article came; its time of publication says better when that was.
    return Past(article, member.fetched_at if member.version == 1 else member.event_at, member.seq)
