"""Rules: which push goes where.

Globs are case-sensitive and the same everywhere: `*`, `?` and `[…]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from .images import Repository
from .records import Record

_WILDCARDS = frozenset("*?[")


class Target(NamedTuple):
    """What a push may reach: a service of a cluster, or, with no cluster, a family that no service runs."""

    cluster: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; every field narrows it, and a push must pass all of them."""

    registries: tuple[str, ...]
    repositories: tuple[str, ...] = ("*",)
    tags: tuple[str, ...] = ("*",)
    exclude_tags: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ("*",)
    services: tuple[str, ...] = ("*",)
    families: tuple[str, ...] = ()

    def covers(self, repository: Repository, target: Target) -> bool:
        """Whether pushes to this repository, whatever their tag, are this rule's business for the target."""
        return (
            repository.account in self.registries
            and matches(repository.name, self.repositories)
            and self.reaches(target)
        )

    def lets(self, push: Record, target: Target) -> bool:
        """Whether the push may go to the target."""
        return (
            self.covers(push.repository, target)
            and matches(push.tag, self.tags)
            and not matches(push.tag, self.exclude_tags)
        )

    def reaches(self, target: Target) -> bool:
        """Whether the target is in the rule's scope."""
        if target.cluster is None:
            return matches(target.name, self.families)
        return matches(target.cluster, self.clusters) and matches(target.name, self.services)


class Scope(NamedTuple):
    """The clusters and services that are in question at all, whatever the rules say."""

    clusters: tuple[str, ...] = ("*",)
    services: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules together: within every scope, a push goes to a target when any rule lets it."""

    rules: tuple[Rule, ...]
    scopes: tuple[Scope, ...] = ()

    def within(self, scope: Scope) -> "Rules":
        """The same rules, within one scope more."""
        return replace(self, scopes=(*self.scopes, scope))

    def in_scope(self, cluster: str) -> bool:
        """Whether any service of the cluster could be reached."""
        globs = [scope.clusters for scope in self.scopes]
        return all(matches(cluster, one) for one in globs) and any(
            matches(cluster, rule.clusters) for rule in self.rules
        )

    def reaches(self, target: Target) -> bool:
        """Whether any push could reach the target."""
        return self._in_scopes(target) and any(rule.reaches(target) for rule in self.rules)

    def covers(self, repository: Repository, target: Target) -> bool:
        """Whether the images of this repository in the target are ours to choose."""
        return self._in_scopes(target) and any(rule.covers(repository, target) for rule in self.rules)

    def lets(self, push: Record, target: Target) -> bool:
        """Whether the push may go to the target."""
        return self._in_scopes(target) and any(rule.lets(push, target) for rule in self.rules)

    def supersedes(self, newer: Record, older: Record, target: Target) -> bool:
        """Whether `newer`, once it was pushed, keeps `older` out of the target, under every rule that lets it in."""
        letting = [rule for rule in self.rules if rule.lets(older, target)]
        return all(rule.lets(newer, target) and newer.order > older.order for rule in letting)

    def newest(self, pushes: Sequence[Record], target: Target) -> Record:
        """The one of some pushes to a container that none of the others supersedes."""
        ranked = sorted(pushes, key=lambda push: push.order, reverse=True)
        return next(
            (one for one in ranked if not any(self.supersedes(other, one, target) for other in ranked)), ranked[0]
        )

    def _in_scopes(self, target: Target) -> bool:
        return target.cluster is None or all(
            matches(target.cluster, scope.clusters) and matches(target.name, scope.services) for scope in self.scopes
        )

    def exact_clusters(self) -> tuple[str, ...] | None:
        """The clusters in scope, if they are named without wildcards; None if they have to be listed."""
        rules = tuple(name for rule in self.rules for name in rule.clusters)
        for names in (*(scope.clusters for scope in self.scopes), rules):
            if not any(_WILDCARDS & set(name) for name in names):
                return tuple(name for name in dict.fromkeys(names) if self.in_scope(name))
        return None


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether any of the globs matches the whole name."""
    return any(glob == "*" or fnmatchcase(name, glob) for glob in globs)
