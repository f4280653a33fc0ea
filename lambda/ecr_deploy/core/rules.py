"""Rules: which push goes where, and when.

Globs are case-sensitive and the same everywhere: `*`, `?` and `[…]`.
"""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ecr_deploy.core.fleet import Target
from ecr_deploy.core.gates import AFTER_ALL, Approval, Facts, Gates, Stage
from ecr_deploy.core.images import Repository
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.records import Record

if TYPE_CHECKING:
    from ecr_deploy.core.order_by import OrderBy
    from ecr_deploy.core.tasks import Task
    from ecr_deploy.core.versions import Range

_WILDCARDS = frozenset("*?[")


class Rule(NamedTuple):
    """One rule; every field narrows it, and a push must pass all of them.

    A push waits until all `gates` are open. What is live everywhere gets the tag `promote_tag`; `promoted_tags` are
    those of all rules.
    """

    registries: tuple[str, ...]
    repositories: tuple[str, ...] = ("*",)
    tags: tuple[str, ...] = ("*",)
    exclude_tags: tuple[str, ...] = ()
    semver: "Range | None" = None
    order_by: "OrderBy | None" = None
    clusters: tuple[str, ...] = ("*",)
    services: tuple[str, ...] = ("*",)
    containers: tuple[str, ...] = ("*",)
    families: tuple[str, ...] = ()
    gates: Gates = Gates()
    promote_tag: str | None = None
    promoted_tags: tuple[str, ...] = ()

    def reaches(self, target: Target) -> bool:
        """Whether the target is in the rule's scope."""
        if target.cluster is None:
            return matches(target.name, self.families)
        return matches(target.cluster, self.clusters) and matches(target.name, self.services)

    def covers(self, repository: Repository) -> bool:
        """Whether pushes to this repository, whatever their tag, are this rule's business."""
        return repository.account in self.registries and matches(repository.name, self.repositories)

    def rejection(self, push: Record) -> str | None:  # noqa: PLR0911 - one for each field
        """Why the rule allows the push nowhere; None if it allows it."""
        if push.repository.account not in self.registries:
            return f"registries does not name {push.repository.account}"
        if not matches(push.repository.name, self.repositories):
            return f"repositories does not match {push.repository.name}"
        if not matches(push.tag, self.tags):
            return f"tags does not match {push.tag}"
        if matches(push.tag, self.exclude_tags):
            return f"exclude_tags matches {push.tag}"
        if self.semver and not self.semver.admits(push.tag):
            from ecr_deploy.core import versions  # noqa: PLC0415 - most users need not load it

            return versions.rejection(push.tag) or f"semver {self.semver.text} does not admit {push.tag}"
        if self.order_by and self.order_by.key(push.tag) is None:
            return f"order_by finds nothing to order {push.tag} by"
        return f"promote_tag is {push.tag}, which starts nothing" if push.tag in self.promoted_tags else None

    def allows(self, push: Record, target: Target, container: str | None = None) -> bool:
        """Whether the push may go to the target, and there to a container, if one is named."""
        if container is not None and not matches(container, self.containers):
            return False
        return self.reaches(target) and self.rejection(push) is None


# The place of a push among those of one repository: the greater one is the newer. Tag and digest decide between pushes
# of the same second, so that every order of arrival ends alike.
Place = tuple[Any, ...]
Order = Callable[[Record], Place]


def by_time(push: Record) -> Place:
    """Order by the time of the push; `latest` stands below all others, because a version takes a container off it."""
    return (push.tag != "latest", (), push.pushed_at, push.digest, push.tag)


def by_version(push: Record) -> Place:
    """Order by the version that the tag is, then as by time; what is no version stands below all that are."""
    from ecr_deploy.core import versions  # noqa: PLC0415 - most users need not load it

    version = versions.of(push.tag)
    return (push.tag != "latest", () if version is None else (version,), push.pushed_at, push.digest, push.tag)


def by_key(order_by: "OrderBy", push: Record) -> Place:
    """Order by what `order_by` finds in the tag, then as by time; where it finds nothing, below all others."""
    key = order_by.key(push.tag)
    return (push.tag != "latest", () if key is None else (key,), push.pushed_at, push.digest, push.tag)


class Scope(NamedTuple):
    """The clusters and services that are in question at all, whatever the rules say."""

    clusters: tuple[str, ...] = ("*",)
    services: tuple[str, ...] = ("*",)


class Rules(NamedTuple):
    """All rules together: within every scope, a push goes to a target when any rule allows it.

    The first of the `scopes` is that of the module.
    """

    rules: tuple[Rule, ...]
    scopes: tuple[Scope, ...] = ()
    facts: Facts = AFTER_ALL

    def within(self, scope: Scope) -> "Rules":
        """The same rules, within one scope more."""
        return self._replace(scopes=(*self.scopes, scope))

    def given(self, facts: Facts) -> "Rules":
        """The same rules, with the facts that their gates depend on."""
        return self._replace(facts=facts)

    def everywhere(self) -> "Rules":
        """Rules that reach every service in the same scopes, and the same families, to look at them."""
        return Rules((Rule(registries=(), families=self.families()),), self.scopes)

    def in_scope(self, cluster: str) -> bool:
        """Whether any service of the cluster could be reached."""
        globs = [scope.clusters for scope in self.scopes]
        return all(matches(cluster, names) for names in globs) and any(
            matches(cluster, rule.clusters) for rule in self.rules
        )

    def reaches(self, target: Target) -> bool:
        """Whether any push could reach the target."""
        return self._in_scopes(target) and any(rule.reaches(target) for rule in self.rules)

    def covers(self, repository: Repository, target: Target) -> bool:
        """Whether the images of this repository in the target are ours to choose."""
        return self._in_scopes(target) and any(rule.reaches(target) and rule.covers(repository) for rule in self.rules)

    def rejection(self, push: Record) -> Reason | None:
        """Why no rule allows the push anywhere; None if one does."""
        reasons = [rule.rejection(push) for rule in self.rules]
        if None in reasons:
            return None
        named = "; ".join(f"rules[{index}].{reason}" for index, reason in enumerate(reasons))
        return Reason("no-rule", f"no rule allows it: {named}")

    def allows(self, push: Record, target: Target, container: str | None = None) -> bool:
        """Whether the push may go to the target, and there to a container, if one is named, now or later."""
        return self._in_scopes(target) and any(rule.allows(push, target, container) for rule in self.rules)

    def allowing(self, push: Record) -> list[int]:
        """The indexes of the rules that allow the push somewhere."""
        return [index for index, rule in enumerate(self.rules) if rule.rejection(push) is None]

    def allows_into(self, push: Record, cluster: str) -> bool:
        """Whether the push may go to anything in the cluster, now or later."""
        in_scopes = all(matches(cluster, scope.clusters) for scope in self.scopes)
        return in_scopes and any(matches(cluster, rule.clusters) and not rule.rejection(push) for rule in self.rules)

    def holds(self, push: Record, target: Target, container: str, approvals: Mapping[str, Approval]) -> Reason | None:
        """Why a push that may go to a container of the target has to wait; None if it need not.

        `approvals` are those of the target, by digest.
        """
        if (reason := self.freeze(target)) or (reason := _brake(push, approvals)):
            return reason
        facts = self.facts._replace(cluster=target.cluster)
        allowing = (rule for rule in self.rules if rule.allows(push, target, container))
        reasons = [rule.gates.holds(push, facts, approvals) for rule in allowing]
        return None if None in reasons else next(iter(reasons), None)

    def freeze(self, target: Target) -> Reason | None:
        """Why nothing is deployed to a target now, if somebody froze it."""
        for freeze in self.facts.freezes:
            in_scope = matches(target.cluster or "", freeze.clusters) and matches(target.name, freeze.services)
            if in_scope and not freeze.is_over(self.facts.now):
                return Reason("frozen", str(freeze))
        return None

    def gates(
        self, push: Record, target: Target, container: str, approvals: Mapping[str, Approval]
    ) -> dict[str, Reason | None]:
        """The gates that a push has to pass to a container of a target, each with why it is closed, or None.

        Of several rules that allow it there, those of one whose gates are open, or else of the first.
        """
        facts = self.facts._replace(cluster=target.cluster)
        allowing = (rule for rule in self.rules if rule.allows(push, target, container))
        others = {"freeze": self.freeze(target), "max_services_at_once": _brake(push, approvals)}
        closed = {name: reason for name, reason in others.items() if reason}
        states = [{**closed, **rule.gates.states(push, facts, approvals)} for rule in allowing]
        return next((found for found in states if not any(found.values())), next(iter(states), {}))

    def stages(self, repository: Repository) -> tuple[Stage, ...]:
        """The stages that pushes to a repository have to pass."""
        after = (rule.gates.after for rule in self.rules if rule.covers(repository))
        return tuple(dict.fromkeys(stage for stage in after if stage))

    def awaited_regions(self) -> list[str]:
        """The other regions that rules wait for."""
        return sorted({rule.gates.after.region for rule in self.rules if rule.gates.after and rule.gates.after.region})

    def max_scan_severity(self) -> bool:
        """Whether any rule asks what ECR found in images."""
        return any(rule.gates.max_scan_severity for rule in self.rules)

    def scans(self, repository: Repository) -> bool:
        """Whether pushes to a repository have to be scanned."""
        return any(rule.gates.max_scan_severity and rule.covers(repository) for rule in self.rules)

    def is_stage(self, target: Target, repository: Repository) -> bool:
        """Whether pushes to a repository have to be live on a target before they go on."""
        here = (stage for stage in self.stages(repository) if not stage.region)
        return any(self.of_stage(stage).reaches(target) for stage in here)

    def of_stage(self, stage: Stage) -> "Rules":
        """Rules that reach the services of a stage, to look at them, whatever a request is narrowed to."""
        rule = Rule(registries=(), clusters=stage.clusters, services=stage.services)
        return Rules((rule,), self.scopes[:1])

    def run_before(self) -> bool:
        """Whether any rule has a task run first."""
        return any(rule.gates.run_before for rule in self.rules)

    def awaited_task(self, push: Record, target: Target) -> "Task | None":
        """The task that has to end well before a push goes to a target, of the first rule that allows it there."""
        facts = self.facts._replace(cluster=target.cluster)
        found = (rule.gates.awaited_task(push, facts) for rule in self.rules if rule.allows(push, target))
        return next((awaited[0] for awaited in found if awaited), None)

    def order(self, repository: Repository, target: Target) -> "Order":
        """How the pushes to a repository are ordered for a target.

        By version where every rule that reaches the target and covers the repository has `semver`, by what `order_by`
        finds where all have the same, else by time: two kinds of order that are mixed would have circles.
        """
        rules = [rule for rule in self.rules if rule.reaches(target) and rule.covers(repository)]
        if rules and all(rule.semver for rule in rules):
            return by_version
        if rules and rules[0].order_by and all(rule.order_by == rules[0].order_by for rule in rules):
            return partial(by_key, rules[0].order_by)
        return by_time

    def names_registry(self, account: str) -> bool:
        """Whether any rule takes pushes to the registry of this account."""
        return any(account in rule.registries for rule in self.rules)

    def promote(self) -> bool:
        """Whether any rule gives what is live a tag."""
        return any(rule.promote_tag for rule in self.rules)

    def exact_clusters(self) -> tuple[str, ...] | None:
        """The clusters in scope, if they are named without wildcards; None if they have to be listed."""
        rules = tuple(name for rule in self.rules for name in rule.clusters)
        for names in (*(scope.clusters for scope in self.scopes), rules):
            if not any(_WILDCARDS & set(name) for name in names):
                return tuple(name for name in dict.fromkeys(names) if self.in_scope(name))
        return None

    def families(self) -> tuple[str, ...]:
        """The globs of all families that rules reach without a service."""
        return tuple(dict.fromkeys(glob for rule in self.rules for glob in rule.families))

    def change_calendars(self) -> tuple[str, ...]:
        """All calendars that any rule asks."""
        return tuple(dict.fromkeys(name for rule in self.rules for name in rule.gates.change_calendars))

    def _in_scopes(self, target: Target) -> bool:
        return target.cluster is None or all(
            matches(target.cluster, scope.clusters) and matches(target.name, scope.services) for scope in self.scopes
        )


def _brake(push: Record, approvals: Mapping[str, Approval]) -> Reason | None:
    """Why an image needs an approval whatever the rules say, if it does and nobody gave it yet."""
    given = approvals.get(push.digest)
    return Reason("approval", given.needed) if given and given.needed else None


# To look at everything there is.
EVERYTHING = Rules((Rule(registries=()),))


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether any of the globs matches the whole name."""
    return any(glob == "*" or fnmatchcase(name, glob) for glob in globs)
