"""The table's items of what was reported in other regions: `remote`, REGION:ACCOUNT/REPOSITORY:CLUSTER/SERVICE."""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from ecr_deploy.aws.dynamodb import Items, key_of, legible
from ecr_deploy.core import remote
from ecr_deploy.core.errors import OvertakenError
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.news import RemoteChange
from ecr_deploy.core.remote import Deployment, Deployments

_PARTITION = "remote"
# Since the last that was reported of a service.
_KEPT = timedelta(days=366)


class RemoteItems(Items):
    """What was reported in other regions.

    Repositories count by account and name: in its region, a service may run a replica of what was pushed elsewhere.
    Every method raises MalformedItemError where somebody edited an item, beside what those of Items raise.
    """

    def read(self, region: str, repositories: Iterable[Repository]) -> dict[Repository, dict[Target, Deployments]]:
        """What was reported in a region of deployments from repositories, by service."""
        wanted = {repository: _name(repository) for repository in repositories}
        names = set(wanted.values())
        found: dict[str, dict[Target, Deployments]] = {name: {} for name in names}
        for item in self.query(_PARTITION, f"{region}:{next(iter(names))}:" if len(names) == 1 else f"{region}:"):
            _, name, service = item["item"]["S"].split(":")
            if name in names:
                cluster, _, service = service.partition("/")
                found[name][Target(cluster, service)] = _deployments(item)
        return {repository: found[name] for repository, name in wanted.items()}

    def knows(self, region: str) -> bool:
        """Whether anything was reported in a region."""
        return any(True for _ in self.query(_PARTITION, f"{region}:", limit=1))

    def add(self, news: RemoteChange) -> None:
        """Write down what was reported of one service.

        Raises:
            OvertakenError: another writer was quicker, twice.

        """
        try:
            self._add(news)
        except OvertakenError:
            # It may have been this very write, of which no answer came.
            self._add(news)

    def _add(self, news: RemoteChange) -> None:
        name = f"{news.region}:{_name(news.push.repository)}:{news.target.cluster}/{news.target.name}"
        item = next(iter(self.get([key_of(_PARTITION, name)])), None)
        known = _deployments(item) if item else ()
        new = Deployment(news.push.digest, news.push.pushed_at, news.outcome, news.at)
        merged = remote.merge(known, new)
        if merged == known:
            return
        version = int(item["version"]["N"]) if item else 0
        written = json.dumps(remote.to_json(merged), separators=(",", ":"))
        self.put(_PARTITION, name, version, expires=news.at + _KEPT, deployments=written)


def _name(repository: Repository) -> str:
    return f"{repository.account}/{repository.name}"


def _deployments(item: Mapping[str, Any]) -> Deployments:
    with legible(f"{_PARTITION}, {item['item']['S']}"):
        return remote.from_json(json.loads(item["deployments"]["S"]))
