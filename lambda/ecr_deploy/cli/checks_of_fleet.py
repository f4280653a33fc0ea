"""Checks of a fleet: what runs, and what the rules make of it."""

import re
from collections.abc import Iterable, Iterator

from ecr_deploy.aws import ecr
from ecr_deploy.aws.calls import Maybe
from ecr_deploy.cli.patient import WARNING, WRONG, Check, Finding, Patient
from ecr_deploy.core import admission, revisions
from ecr_deploy.core.fleet import ECS, Member
from ecr_deploy.core.records import Record
from ecr_deploy.core.rules import EVERYTHING

_WILDCARDS = re.compile(r"[*?[]")
# How builds for several architectures name the image of one.
_ONE_ARCHITECTURE = re.compile(
    r"(?P<index>.+)[-_.](?:linux-)?(?P<name>amd64|arm64|x86_64|x86-64|aarch64|armv[67]|arm)$"
)
_MOST_NAMED = 3


def clusters(patient: Patient) -> Iterator[Finding]:
    """The clusters that are named are there."""
    rules = patient.settings.rules
    there = set(patient.connection.environment.ecs.clusters(EVERYTHING))
    named = [name for scope in rules.scopes for name in scope.clusters]
    named += [name for rule in rules.rules for name in rule.clusters]
    for name in sorted({name for name in named if not _WILDCARDS.search(name)} - there):
        yield Finding(WRONG, f"there is no cluster {name}", f"clusters: there are {_few(sorted(there)) or 'none'}")


def services(patient: Patient) -> Iterator[Finding]:
    """Each rule reaches a service."""
    for index, rule in enumerate(patient.settings.rules.rules):
        if not rule.families and not any(rule.reaches(member.target) for member in patient.members):
            yield Finding(WARNING, f"rules[{index}] reaches no service", "widen its clusters or services")


def uncovered_images(patient: Patient) -> Iterator[Finding]:
    """A rule covers each image from ECR."""
    rules = patient.settings.rules
    found: dict[str, list[str]] = {}
    for member in patient.members:
        for repository in member.running.repositories:
            if not rules.covers(repository, member.target):
                found.setdefault(f"{repository.account}/{repository.name}", []).append(_place(member))
    for name, places in sorted(found.items()):
        account, _, path = name.partition("/")
        own = account == patient.settings.account_id
        mend = f'repositories = ["{path}"]' if own else f'registries = ["{account}"]'
        yield Finding(WARNING, f"no rule covers {name}, which {_few(places)} run", f"add a rule: {{ {mend} }}")


def registries(patient: Patient) -> Iterator[Finding]:
    """Registries of other accounts may forward their pushes.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeEventBus.html
    """
    own = patient.settings.account_id
    others = sorted({entry.account for entry in patient.repositories if entry.account != own})
    if others:
        policy = patient.api("events").call("DescribeEventBus", "the default bus", {"Policy": Maybe(str)}).get("Policy")
        for account in others:
            if account not in (policy or ""):
                text = (
                    f"images of account {account} run, but it may not forward their pushes to this account's event bus"
                )
                yield Finding(WARNING, text, "docs/how-to.md#another-accounts-registry")
    regions = sorted(
        {entry.region for entry in patient.repositories if entry.account == own} - {patient.connection.region}
    )
    for region in regions:
        text = f"images of the registry in {region} run, whose pushes come only if a rule there forwards them"
        yield Finding(WARNING, text, f"a rule in {region} with this region's event bus as its target")


def shared_families(patient: Patient) -> Iterator[Finding]:
    """Services that share a task definition family run the same program."""
    families: dict[str, list[Member]] = {}
    for member in patient.everything:
        families.setdefault(member.running.family, []).append(member)
    reached = {member.target for member in patient.members}
    for family, members in sorted(families.items()):
        ours = [member for member in members if member.target in reached]
        if not ours or len(members) == 1:
            continue
        if len(ours) < len(members):
            outside = _few(_place(member) for member in members if member.target not in reached)
            text = f"the family {family} is run by {outside}, too, out of scope: its newest revision may be theirs"
            yield Finding(WARNING, text, 'base_revision = "running", or a family for each')
        if len({revisions.fingerprint(member.running) for member in ours}) > 1:
            text = (
                f"{_few(map(_place, ours))} share the family {family} and differ: each starts from what it runs itself"
            )
            yield Finding(WARNING, text, "a family for each, so that Terraform's newest settings reach each")


def circuit_breakers(patient: Patient) -> Iterator[Finding]:
    """A rollout that fails is rolled back."""
    if patient.settings.rollback_on_failure:
        return
    without = [
        f"{service.cluster}/{service.name}"
        for service in patient.services
        if service.controller == ECS and not service.reverts
    ]
    if without:
        text = f"nothing rolls a failed rollout back on {_few(without)}"
        yield Finding(
            WARNING, text, "deployment_circuit_breaker { enable = true, rollback = true }, or rollback_on_failure"
        )


def short_arns(patient: Patient) -> Iterator[Finding]:
    """Services have ARNs that name their cluster, and so can have tags.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html
    """
    found = [
        f"{entry.cluster}/{entry.name}"
        for entry in patient.services
        if entry.arn.partition(":service/")[2].count("/") == 0
    ]
    if found:
        mend = "make them anew with the account setting serviceLongArnFormat; until then they can't be tagged"
        yield Finding(WARNING, f"{_few(found)} have ARNs from before 2021, without their cluster", mend)


def tags(patient: Patient) -> Iterator[Finding]:
    """Tags that say yes or no do so."""
    name = patient.settings.enabled_tag_key
    for member in patient.members:
        obstacle = admission.obstacle(member.service, patient.settings)
        if obstacle and obstacle.kind == "opt-in-unclear":
            yield Finding(WRONG, f"{_place(member)}: {obstacle}", f"set its tag {name} to true or false")


def controllers(patient: Patient) -> Iterator[Finding]:
    """Each service is rolled out by a controller that may be used."""
    for member in patient.members:
        obstacle = admission.obstacle(member.service, patient.settings)
        if obstacle and obstacle.kind == "controller":
            mend = {"CODE_DEPLOY": "codedeploy = true", "ECS Express Mode": "express_mode = true"}
            controller = member.service.controller if member.service else ""
            yield Finding(WARNING, f"{_place(member)}: {obstacle}", mend.get(controller))


def single_architectures(patient: Patient) -> Iterator[Finding]:
    """No rule lets the image of one architecture in, beside the index of all."""
    environment = patient.connection.environment
    for repository in sorted(patient.repositories):
        pushes = ecr.tagged(environment.registry(repository.region), repository)
        found = sorted(_single(pushes, patient))
        if found:
            globs = ", ".join(sorted({f'"*{tag[len(index) :]}"' for index, tag in found}))
            text = f"the rules let {repository.name}:{found[0][1]} in, the image of one architecture of {found[0][0]}"
            yield Finding(WARNING, text, f"exclude_tags = [{globs}]")


def _single(pushes: Iterable[Record], patient: Patient) -> Iterator[tuple[str, str]]:
    pushes = list(pushes)
    there = {push.tag for push in pushes}
    for push in pushes:
        match = _ONE_ARCHITECTURE.fullmatch(push.tag)
        if match and match["index"] in there and patient.settings.rules.rejection(push) is None:
            yield match["index"], push.tag


def _place(member: Member) -> str:
    return f"{member.target.cluster}/{member.target.name}"


def _few(names: Iterable[str]) -> str:
    names = sorted(names)
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


CHECKS: tuple[Check, ...] = (
    *(clusters, services, uncovered_images, registries, shared_families, circuit_breakers),
    *(short_arns, tags, controllers, single_architectures),
)
