"""The environment: settings, clock and AWS clients, which live as long as the execution environment does.

What most invocations do not need is made, and imported, where it is first needed: a longer start would be paid by all.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ecr_deploy.aws.calls import CONFIG, SMALL_CONFIG, Api
from ecr_deploy.aws.controllers import Controller, Controllers, EcsController, ExpressModeController
from ecr_deploy.aws.ecs_fleet import EcsFleet
from ecr_deploy.aws.pacing import Clock, Pacer
from ecr_deploy.aws.sqs import Queue
from ecr_deploy.aws.table import Table
from ecr_deploy.core.fleet import CODE_DEPLOY, DAEMONS, EXPRESS_MODE
from ecr_deploy.core.gates import Facts
from ecr_deploy.core.records import to_milliseconds
from ecr_deploy.core.rules import Rules
from ecr_deploy.core.settings import Settings

if TYPE_CHECKING:
    from ecr_deploy.aws.freezes import Freezes
    from ecr_deploy.aws.progress import ProgressItems
    from ecr_deploy.aws.remote import RemoteItems
    from ecr_deploy.aws.scheduler import Scheduler
    from ecr_deploy.aws.slots import Slots

# Of long work from the queue: what is pushed behind it waits no longer. Calls that take too long are not begun.
_SLICE_SECONDS = 25
# Kept back of the function's time for the queue, the bus and the log.
_SECONDS_TO_REPORT = 10

MakeClient = Callable[..., Any]
"""Makes a client of a service, as botocore's `Session.create_client` does."""


class Environment:
    """What one execution environment works with."""

    def __init__(self, settings: Settings, region: str, make_client: MakeClient, clock: Clock) -> None:
        self.settings = settings
        self.region = region
        self.pacer = Pacer(clock)
        self._make_client = make_client
        self._clock = clock
        # What reports may still be called when the time for the work is over.
        self._reporting = Pacer(clock)
        self._registries: dict[str, Api] = {}
        # Whether news may wait behind what this invocation does.
        self.slices = False
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        ecs = self._api("ecs")
        fleet: type[EcsFleet] = EcsFleet
        if settings.daemons:
            from ecr_deploy.aws.ecs_with_daemons import EcsWithDaemons  # noqa: PLC0415 - few have any

            fleet = EcsWithDaemons
        self.ecs = fleet(ecs)
        # Lambda gives the start more of the processor than an invocation.
        ecs.connect()

    def begin_invocation(self, seconds_left: float) -> None:
        """Set the deadlines of an invocation."""
        self.slices = False
        end = self._clock.time() + seconds_left
        self._reporting.deadline = end
        self.pacer.deadline = end - _SECONDS_TO_REPORT

    def begin_slice(self) -> None:
        """Let no call begin that could end after the slice of a long piece of work: news waits for the rest."""
        self.pacer.deadline = min(self.pacer.deadline, self._clock.time() + _SLICE_SECONDS)

    @contextmanager
    def slice(self) -> Iterator[None]:
        """Let no call begin within the block that could end after a slice."""
        deadline = self.pacer.deadline
        if self.slices:
            self.begin_slice()
        try:
            yield
        finally:
            self.pacer.deadline = deadline

    def now(self) -> datetime:
        """The time, in UTC, to the millisecond."""
        return to_milliseconds(datetime.fromtimestamp(self._clock.time(), UTC))

    def settings_now(self, settings: Settings) -> Settings:
        """The settings with their rules as of this moment: freezes depend on it.

        Raises:
            EcrDeployError: a change calendar can't be read.

        """
        closed: Mapping[str, str] = {}
        if names := settings.rules.change_calendars():
            from ecr_deploy.aws import calendars  # noqa: PLC0415

            closed = calendars.closed(self.systems_manager, names)
        slots = self.slots.read() if settings.rules.run_before() else {}
        return settings._replace(rules=settings.rules.given(Facts(self.now(), closed, slots=slots)))

    @cached_property
    def controllers(self) -> Controllers:
        """The deployment controllers that services may have."""
        itself = EcsController(self.ecs)
        # ECS rolls daemons out, too.
        others: dict[str, Controller] = {DAEMONS: itself} if self.settings.daemons else {}
        if self.settings.codedeploy:
            from ecr_deploy.aws.codedeploy import CodeDeploy  # noqa: PLC0415

            others[CODE_DEPLOY] = CodeDeploy(self._api("codedeploy"))
        if self.settings.express_mode:
            others[EXPRESS_MODE] = ExpressModeController(self.ecs)
        return Controllers(itself, others)

    @cached_property
    def ecs_with_events(self) -> Api:
        """ECS by a client of its own, in whose answers services have their events, which nobody else needs."""
        return self._api("ecs", config=SMALL_CONFIG)

    @cached_property
    def table(self) -> Table:
        """The table of what targets are to run."""
        holder = f"{self.function_name}-{os.urandom(8).hex()}"
        # What was done is recorded also when the time for doing more is over.
        return Table(self._api("dynamodb", self._reporting), self.settings.table_name, holder)

    @cached_property
    def slots(self) -> "Slots":
        """The slots of tasks that run first, in the table."""
        from ecr_deploy.aws.slots import Slots  # noqa: PLC0415 - few need them

        return Slots(self._api("dynamodb", self._reporting), self.settings.table_name)

    @cached_property
    def remote(self) -> "RemoteItems":
        """What was reported in other regions, in the table."""
        from ecr_deploy.aws.remote import RemoteItems  # noqa: PLC0415 - few need it

        return RemoteItems(self._api("dynamodb", self._reporting), self.settings.table_name)

    def frozen(self, settings: Settings) -> Settings:
        """The settings with what somebody froze, as of the last reading of the table."""
        facts = settings.rules.facts
        if facts.freezes == self.table.freezes:
            return settings
        return settings._replace(rules=settings.rules.given(facts._replace(freezes=self.table.freezes)))

    @cached_property
    def freezes(self) -> "Freezes":
        """What is frozen, to change it."""
        from ecr_deploy.aws.freezes import Freezes  # noqa: PLC0415 - few requests need it

        return Freezes(self._api("dynamodb", self._reporting), self.settings.table_name)

    @cached_property
    def queue(self) -> Queue:
        """The queue that brings the news."""
        return Queue(self._api("sqs", self._reporting), self.settings.queue_url, self.settings.dead_letter_queue_url)

    @cached_property
    def event_bus(self) -> Api:
        """The default event bus."""
        return self._api("events", self._reporting)

    def sns(self, region: str) -> Api:
        """SNS in a region."""
        return self._api("sns", self._reporting, config=SMALL_CONFIG, region_name=region)

    @cached_property
    def progress(self) -> "ProgressItems":
        """What was notified of pushes, in the table."""
        from ecr_deploy.aws.progress import ProgressItems  # noqa: PLC0415 - only for who is notified

        return ProgressItems(self._api("dynamodb", self._reporting), self.settings.table_name)

    @cached_property
    def systems_manager(self) -> Api:
        """Systems Manager."""
        return self._api("ssm")

    @cached_property
    def scheduler(self) -> "Scheduler":
        """What starts tasks on a schedule."""
        from ecr_deploy.aws.scheduler import Scheduler  # noqa: PLC0415

        return Scheduler(self._api("events"), self._api("scheduler"))

    def cluster_arns(self, rules: Rules) -> list[str]:
        """The ARNs of the clusters in scope of rules.

        Raises:
            EcrDeployError: ECS does not say which there are.

        """
        arn = f"arn:{self.scheduler.partition}:ecs:{self.region}:{self.settings.account_id}:cluster"
        return [f"{arn}/{name}" for name in self.ecs.clusters(rules)]

    def logs(self, region: str) -> Api:
        """CloudWatch Logs in a region."""
        return self._api("logs", config=SMALL_CONFIG, region_name=region)

    def registry(self, region: str) -> Api:
        """ECR in a region."""
        # Threads that ask for it at once get the same.
        return self._registries.setdefault(region, self._api("ecr", region_name=region))

    def _api(self, service: str, pacer: Pacer | None = None, **arguments: Any) -> Api:
        return Api(partial(self._make_client, service, **{"config": CONFIG, **arguments}), pacer or self.pacer)
