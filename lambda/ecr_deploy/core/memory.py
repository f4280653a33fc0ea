"""The memory: what the table holds for one target, and how it is brought in line with what ECS says.

What a service runs is always ECS's word; the memory adds what ECS can't say: which digest a tag stood for, what is
desired, what was rolled back, and what has been begun.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ecr_deploy.core import desires, revisions, rollouts
from ecr_deploy.core.desires import Desire, Name
from ecr_deploy.core.fleet import Member
from ecr_deploy.core.images import Repository, parse
from ecr_deploy.core.records import LONG_AGO, Record
from ecr_deploy.core.revisions import Container, Revision
from ecr_deploy.core.rollouts import Rollout, State

if TYPE_CHECKING:
    from ecr_deploy.core.rules import Order

# Rollouts that are open, or that nobody has judged yet, and the newest that has ended.
MOST_ROLLOUTS = 5
# Images that are, or were, live: those that may still go on from here to another stage.
MOST_LIVE = 20


class Image(NamedTuple):
    """What a container runs: its image as written there, and the push behind it as far as it is known.

    `digest` is None where nobody can say it, `pushed_at` LONG_AGO.
    """

    text: str
    tag: str | None
    digest: str | None
    pushed_at: datetime = LONG_AGO


class Start(NamedTuple):
    """An update that was about to begin: what the service ran then, and what its containers are to run.

    `revision` is an ARN, `base` that of what the next one is made from, `deployment` the id of the primary deployment.
    """

    at: datetime
    revision: str
    base: str
    deployment: str | None
    images: Mapping[str, Image]
    pushes: tuple[Record, ...]
    by: str | None = None
    trigger: str | None = None


class Memory(NamedTuple):
    """What is known of a target.

    `rollouts` are its newest, the newest first; the rest is history. `live` are the digests of images that have been
    live, with since when. `line` are the fingerprints of the settings that its family had in common when the target got
    them, the newest first.
    """

    desires: Mapping[Repository, Desire] = MappingProxyType({})
    images: Mapping[str, Image] = MappingProxyType({})
    start: Start | None = None
    rollouts: tuple[Rollout, ...] = ()
    line: tuple[str, ...] = ()
    live: Mapping[str, datetime] = MappingProxyType({})

    @property
    def rollout(self) -> Rollout | None:
        """The newest rollout."""
        return self.rollouts[0] if self.rollouts else None

    def with_desire(self, repository: Repository, desire: Desire) -> "Memory":
        """The same with one desire more."""
        known = self.desires.get(repository, Desire())
        return self._replace(desires={**self.desires, repository: desires.merge(known, desire)})

    def without_push(self, repository: Repository, name: Name) -> "Memory":
        """The same without one push."""
        return self._replace(desires={**self.desires, repository: desires.without(self.desires[repository], name)})

    def with_rollout(self, rollout: Rollout) -> "Memory":
        """The same with a rollout in the place of what was known of it, or as the newest."""
        known = {older.key: older for older in self.rollouts}
        now = {**known, rollout.key: rollout} if rollout.key in known else {rollout.key: rollout, **known}
        live = dict(self.live)
        if rollout.state is State.LIVE:
            live |= {push.digest: rollout.since for push in rollout.pushes}
        newest = sorted(live.items(), key=lambda item: item[1], reverse=True)[:MOST_LIVE]
        return self._replace(rollouts=tuple(now.values())[:MOST_ROLLOUTS], live=dict(newest))


def image_of(container: Container, memory: Memory) -> Image:
    """What a container runs, as far as its text and the memory say."""
    known = memory.images.get(container.name)
    if known and known.text == container.image:
        return known
    tag, digest = container.tag, container.digest
    if container.repository and digest and tag is None:
        pushes = memory.desires.get(container.repository, Desire()).pushes
        found = [(times.pushed_at, name.tag) for name, times in pushes.items() if name.digest == digest]
        if found:
            pushed_at, tag = max(found)
            return Image(container.image, tag, digest, pushed_at)
    return Image(container.image, tag, digest)


def is_known(container: Container, memory: Memory) -> bool:
    """Whether nobody has to be asked any more which push is behind what a container runs."""
    known = memory.images.get(container.name)
    return known is not None and known.text == container.image


def settle(memory: Memory, member: Member) -> Memory:
    """Record an update that was begun and went through although nobody could write it down."""
    start, service = memory.start, member.service
    if start is None:
        return memory
    is_done = all(
        (container := member.running.container(name)) is not None and container.image == image.text
        for name, image in start.images.items()
    )
    primary = rollouts.primary_of(service.deployments) if service else None
    has_moved = member.running.arn != start.revision or (primary is not None and primary.id != start.deployment)
    if not (is_done and has_moved):
        return memory
    return finished(memory, member, member.running.arn, primary.id if primary else "")


def finished(memory: Memory, member: Member, revision: str, deployment: str) -> Memory:
    """The memory once the update that was begun is done: ECS has the revision (an ARN) under this deployment's id."""
    start = memory.start
    if start is None:
        return memory
    done = memory._replace(images={**memory.images, **start.images}, start=None)
    if member.service is None:
        # Nobody rolls out what no service runs.
        return done
    before = {name: _by_digest(memory.images[name]) for name in start.images if name in memory.images}
    rollout = Rollout(
        id=deployment,
        revision=revision,
        before=start.revision,
        pushes=start.pushes,
        images=before,
        state=State.STARTED,
        started_at=start.at,
        since=start.at,
        by=start.by,
        trigger=start.trigger,
    )
    return done.with_rollout(rollout)


def adopt(  # noqa: PLR0913, PLR0917 - all that is known at that moment
    memory: Memory,
    member: Member,
    repositories: Collection[Repository],
    found: Iterable[Record],
    news: Iterable[Record],
    now: datetime,
) -> Memory:
    """Write down what a target runs of some repositories that was never recorded; `found` is what ECR says of it.

    A tag that was pushed after the service's deployment began, as `news` or ECR say it, is not what the service runs,
    nor is one that stands for an image that was rolled back: ECS goes back to the image that the tag stood for before.
    """
    began = None
    if member.service and (primary := rollouts.primary_of(member.service.deployments)):
        began = primary.started_at
    known = list(found)
    moved = {(push.repository, push.tag) for push in news if began and push.pushed_at > began}
    images = dict(memory.images)
    for container in member.running.containers:
        repository = container.repository
        if repository is None or repository not in repositories or is_known(container, memory):
            continue
        image = image_of(container, memory)
        pushes = [push for push in known if push.repository == repository]
        behind = [
            push for push in pushes if push.digest == image.digest or (not image.digest and push.tag == image.tag)
        ]
        rejected = memory.desires.get(repository, Desire()).rejections
        is_old = began is None or (behind and behind[0].pushed_at <= began and (repository, image.tag) not in moved)
        is_old = is_old and not (behind and behind[0].digest in rejected)
        if behind and (image.digest or is_old):
            same = [push for push in pushes if push.digest == behind[0].digest]
            tag = image.tag or max(push.tag for push in same)
            image = image._replace(tag=tag, digest=behind[0].digest, pushed_at=behind[0].pushed_at)
            for push in same:
                memory = memory.with_desire(repository, desires.of_tag(push))
        images[container.name] = image
        if repository not in memory.desires or memory.desires[repository].since == LONG_AGO:
            memory = memory.with_desire(repository, Desire(since=now))
    return memory._replace(images=images)


def adopted_long_ago(memory: Memory) -> Memory:
    """The memory as if the target had been known before anything was pushed."""
    desires_then = {repository: desire._replace(since=LONG_AGO) for repository, desire in memory.desires.items()}
    return memory._replace(desires=desires_then)


def rejecting(memory: Memory, pushes: Iterable[Record], at: datetime) -> Memory:
    """The memory once pushes were rolled back from the target."""
    for push in pushes:
        desire = memory.desires.get(push.repository, Desire())
        memory = memory.with_desire(push.repository, desires.rejecting(desire, push, at))
    return memory


def rolled_back(memory: Memory, rollout: Rollout, running: Revision, at: datetime) -> Memory:
    """The memory once a rollout was rolled back, and the target runs again what it ran before."""
    memory = rejecting(memory, rollout.pushes, at)
    images = dict(memory.images)
    for name, text in rollout.images.items():
        container, before = running.container(name), parse(text)
        if container is None or container.repository is None or container.repository != before.ecr:
            continue
        if container.digest != before.digest and container.tag not in (None, before.tag):
            # ECS went further back: what that was is asked again.
            images.pop(name, None)
            continue
        desire = memory.desires.get(container.repository, Desire())
        # Of two rollouts that follow each other quickly, the second begins with what the first was rolled back from.
        digest = None if before.digest in desire.rejections else before.digest
        tag = container.tag or before.tag or image_of(container, memory).tag
        times = desire.pushes.get(desires.Name(tag or "", digest or ""))
        images[name] = Image(container.image, tag, digest, times.pushed_at if times else LONG_AGO)
    # What it has now is not another program's, but behind.
    line = dict.fromkeys((*memory.line, revisions.fingerprint(running)) if memory.line else ())
    return memory._replace(images=images, line=tuple(line))


def compact(memory: Memory, member: Member, orders: "Mapping[Repository, Order]") -> Memory:
    """Drop what can't matter any more of each repository that only one container runs.

    What is superseded still matters while a rollout is under way: it may be rolled back.
    """
    kept = dict(memory.desires)
    is_rolling_out = memory.rollout is not None and memory.rollout.state is State.STARTED
    for repository in kept.keys() & orders.keys():
        running = [container for container in member.running.containers if container.repository == repository]
        current = None
        if len(running) == 1 and not is_rolling_out:
            image = image_of(running[0], memory)
            if image.tag and image.digest:
                current = Record(repository, image.tag, image.digest, image.pushed_at)
        kept[repository] = desires.compact(kept[repository], repository, current, orders[repository])
    return memory._replace(desires=kept)


def _by_digest(image: Image) -> str:
    if image.digest is None or image.digest in image.text:
        return image.text
    return f"{image.text}@{image.digest}"
