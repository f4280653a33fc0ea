"""News: what events are about, once they are read."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ecr_deploy.core import records
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.images import Repository
from ecr_deploy.core.pushes import Push
from ecr_deploy.core.records import Record


class NoPush(NamedTuple):
    """An event that deploys nothing, and why; `image` names what it was about, where it said."""

    reason: str
    event_id: str
    image: str | None = None


DETAIL_TYPES = {
    "deployed": "Deployment Started",
    "superseded": "Deployment Superseded",
    "waiting": "Deployment Waiting",
    "failed": "Deployment Failed",
    "live": "Deployment Live",
    "rolled-back": "Deployment Rolled Back",
}
"""Of the events that report what became of an image on a service, by outcome."""

REST_OF_RUN = ("ecr-deploy", "Rest of Scheduled Run")
"""Source and detail-type of what is left of a scheduled run."""


class Tick(NamedTuple):
    """A scheduled run, or what is left of one: `began_at` is when it began, `done` the last repository that it did."""

    event_id: str
    began_at: datetime | None = None
    done: str | None = None

    def rest(self, began_at: datetime, done: str | None) -> str:
        """The body of a message that goes on with the run."""
        source, detail_type = REST_OF_RUN
        detail = {"began_at": records.format_time(began_at), "done": done}
        return json.dumps({"source": source, "detail-type": detail_type, "id": self.event_id, "detail": detail})


class DeploymentChange(NamedTuple):
    """News of a deployment of a service, ours or not: it `begins`, awaits an action, or has ended."""

    target: Target
    event_id: str
    begins: bool = False
    awaits_action: bool = False


class TaskChange(NamedTuple):
    """News of a task of ours in a cluster that has stopped; `task` is it as ECS describes it."""

    cluster: str
    started_by: str
    task: Mapping[str, Any]
    event_id: str


class ScanEnd(NamedTuple):
    """News that a scan of an image in a repository has ended; of an index, that of one of its images."""

    repository: Repository
    event_id: str


class GroupChange(NamedTuple):
    """News of a deployment of one of CodeDeploy's deployment groups, ours or not."""

    application: str
    group: str
    event_id: str


class RemoteChange(NamedTuple):
    """News of what became of a push on a service in another region, from ecr-deploy there, in an account.

    `outcome` is that of the event.
    """

    account: str
    region: str
    target: Target
    push: Record
    outcome: str
    at: datetime
    event_id: str


Change = Tick | DeploymentChange | TaskChange | ScanEnd | GroupChange | RemoteChange
News = Push | NoPush | Change
