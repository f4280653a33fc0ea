"""Reconciling: what the registries hold against what runs, for pushes whose events were lost."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ecr_deploy.core import admission
from ecr_deploy.core.events import Push
from ecr_deploy.core.fleet import Member, Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Container
from ecr_deploy.core.rules import Rules


def repositories(members: Iterable[Member], rules: Rules) -> set[Repository]:
    """The repositories that services run and rules cover."""
    return {
        container.repository
        for member in members
        for container in member.running.containers
        if container.repository and rules.covers(container.repository, member.target)
    }


def missing(
    members: Iterable[Member],
    tagged: Mapping[Repository, Sequence[Record]],
    rules: Rules,
    *,
    now: datetime,
    event_id: str,
) -> list[Push]:
    """The pushes that should have reached services and did not, each for just those services.

    `tagged` gives all tags that a repository holds. A tag that was moved to an image pushed earlier counts as pushed
    `now`, because ECR does not tell when that was.
    """
    lost: dict[Record, set[Target]] = {}
    for member in members:
        for container in member.running.containers:
            held = tagged.get(container.repository) if container.repository else None
            if held and (push := _missing(member, container, held, rules, now)):
                lost.setdefault(push, set()).add(member.target)
    return [Push(record, event_id, "reconciliation", targets=frozenset(targets)) for record, targets in lost.items()]


def _missing(
    member: Member, container: Container, held: Sequence[Record], rules: Rules, now: datetime
) -> Record | None:
    """The push that one container should run instead of what it runs."""
    tag, digest = member.running.tag_of(container), member.running.digest_of(container)
    behind_tag = next((one for one in held if one.tag == tag), None)
    recorded = container.repository and member.running.records.get(container.repository)
    since = recorded or behind_tag
    if since is None:
        # Neither the record nor the registry tells how old the image is that runs: anything might be a step back.
        return None
    digest = digest or since.digest
    target = member.target
    newer = [
        push
        for push in held
        if push.digest != digest
        and admission.follows(push, tag)
        and rules.allows(push, target)
        and rules.holds(push, target) is None
        and _is_newer(push, since, tag, rules, target)
    ]
    if newer:
        return rules.newest(newer, target)
    if behind_tag and behind_tag.digest != digest and rules.allows(behind_tag, target):
        return behind_tag._replace(pushed_at=now)
    return None


def _is_newer(push: Record, since: Record, running_tag: str | None, rules: Rules, target: Target) -> bool:
    """Whether the push belongs after the image that runs: by its time, or by what the rules count instead."""
    if push.pushed_at > since.pushed_at:
        return not rules.supersedes(since, push, target)
    # A container on `latest` has not seen the versions that were there before it.
    return running_tag != "latest" and rules.allows(since, target) and rules.supersedes(push, since, target)
