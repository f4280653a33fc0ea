"""The double itself: what arrives, what is recorded, what goes wrong, and what tests may set up and look at."""

from __future__ import annotations

import copy
import json
import threading
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from . import errors, transports
from .clients import lend_client
from .daemons import DaemonOwner
from .faults import AnswerLost, Denial, Died, Fault, Injection, due_fault, refuse
from .lifeline import Lifeline
from .operations import OPERATIONS, WRITES
from .state import DELETED, Account, DigestResolver, Revision, Service
from .tasks import end_task, start_for_service
from .throttling import Clock, SystemClock, Throttle
from .transports import Answer
from .validation import Json, check_request

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from botocore.client import BaseClient


BREAKER_REASON = "ECS deployment circuit breaker: task failed to start."


class Call(NamedTuple):
    """A call that arrived."""

    operation: str
    request: Json


class StrictEcs:
    """An Amazon ECS in memory.

    `throttle` turns the token buckets on; `latency` is slept on the clock in every call, so that the calls of several
    threads overlap. `digests` gives, as a function or a dict, the digest that an image reference resolves to when a
    deployment begins. `caller` is who calls, as role/session: `ecr-deploy-REGION/ecr-deploy` unless given, here or for
    one client. The methods below `revive` are the owner's: they set up and look, are not recorded, never fail by a
    fault and never throttle.
    """

    def __init__(  # noqa: PLR0913 - all by name, all optional
        self,
        *,
        account_id: str = "123456789012",
        region: str = "eu-west-1",
        partition: str = "aws",
        caller: str | None = None,
        clock: Clock | None = None,
        throttle: bool = False,
        latency: float = 0.0,
        lifeline: Lifeline | None = None,
        digests: DigestResolver | Mapping[str, str] | None = None,
    ) -> None:
        self.region = region
        self.clock: Clock = clock or SystemClock()
        self.latency = latency
        self.lifeline = lifeline or Lifeline()
        """What counts the calls of the process: share it with the other doubles that the process calls."""
        self.calls: list[Call] = []
        """Every call that arrived, in order, whatever became of it."""
        self.writes: list[Call] = []
        """The calls that changed something, in order, whether or not their answer arrived."""
        self.throttled: Counter[str] = Counter()
        """How many calls of each operation its token bucket refused."""
        self._lock = threading.RLock()
        self._throttle = Throttle(self.clock) if throttle else None
        self._injections: list[Injection[Fault]] = []
        resolve: DigestResolver = digests.get if isinstance(digests, Mapping) else digests or (lambda _: None)
        self._account = Account(
            account_id=account_id, region=region, partition=partition, clock=self.clock, resolve=resolve
        )
        self.daemons = DaemonOwner(self._account, self._lock)
        """The owner's hand on daemons."""
        self.caller = caller or f"ecr-deploy-{region}/ecr-deploy"
        """Who calls, as role/session."""
        self._principal = f"arn:{partition}:sts::{account_id}:assumed-role/"
        self._thread = threading.local()
        self._denials: list[Denial] = []

    # The wire

    def handle(self, operation: str, body: bytes) -> Answer:
        """Answer one call. Raises ConnectionReset, AnswerLost or Died where there is no answer."""
        dies_after = self.lifeline.count_down(operation)
        if self.latency:
            self.clock.sleep(self.latency)
        with self._lock:
            self._account.caller = self._principal + (getattr(self._thread, "caller", None) or self.caller)
            try:
                answer = self._answer(operation, body)
            except errors.EcsError as error:
                answer = _write(error.status, {"__type": error.code, "message": error.message, **error.members})
        if dies_after:
            message = f"after {operation}"
            raise Died(message)
        return answer

    def client(self, *, caller: str | None = None, **kwargs: object) -> BaseClient:
        """Make a boto3 client whose every call ends here. It does not retry unless its `config` says so.

        `caller` is the role/session of a second instance of the module, `staging-eu-west-1/staging` for one.
        """
        client = lend_client("ecs", self.region, **kwargs)
        self.attach(client, caller=caller)
        return client

    def attach(self, client: BaseClient, *, caller: str | None = None) -> None:
        """Take over the calls of a boto3 client, from another double too: a client costs more than a double."""
        transports.attach(client, self.handle if caller is None else partial(self._handle_as, caller))

    def serve(self) -> AbstractContextManager[str]:
        """Give a loopback URL, for as long as the context lasts, to processes that set AWS_ENDPOINT_URL_ECS to it."""
        return transports.serve(self.handle)

    def count(self, operation: str) -> int:
        """Tell how many calls of an operation arrived."""
        return sum(call.operation == operation for call in self.calls)

    # What goes wrong

    def inject(self, operation: str, fault: Fault, nth: int = 1, *, times: int = 1) -> None:
        """Let the nth call of an operation from now fail, and the calls after it, so many times in all."""
        if not fault.can_hit(operation):
            message = f"ECS never answers {operation} with {fault.value}"
            raise ValueError(message)
        with self._lock:
            self._injections.append(Injection(operation, fault, nth - 1, times))

    def heal(self) -> None:
        """Call off every fault that has not hit yet."""
        with self._lock:
            self._injections.clear()

    def deny(
        self, *operations: str, cluster: str | None = None, service: str | None = None, unknown: bool = False
    ) -> None:
        """Refuse operations until `allow`, for everything or for one service: by IAM, or as an old region does.

        An operation that IAM refuses has AccessDeniedException, one that a region does not have yet
        UnknownOperationException.
        """
        with self._lock:
            self._denials.append(Denial(frozenset(operations), cluster, service, unknown))

    def allow(self) -> None:
        """Call off every `deny`."""
        with self._lock:
            self._denials.clear()

    def die(self, at_call: int, *, before: bool) -> None:
        """Let the process die at a call, counted from now: before it is performed, or before its answer is read."""
        self.lifeline.die(at_call, before=before)

    def revive(self) -> None:
        """Let a new process make calls. A death that has not come yet is called off."""
        self.lifeline.revive()

    # The owner

    def add_cluster(self, name: str = "default", *, tags: Mapping[str, str] | None = None) -> str:
        """Create a cluster and give its ARN."""
        with self._lock:
            return self._account.add_cluster(name, tags or {}).arn

    def delete_cluster(self, name: str) -> None:
        """Delete a cluster, which ECS remembers as INACTIVE."""
        with self._lock:
            self._account.cluster(name).status = "INACTIVE"

    def register(self, definition: Mapping[str, object], tags: Mapping[str, str] | None = None) -> str:
        """Register a revision as Terraform would, by the same rules, and give its ARN."""
        tag_list = [{"key": key, "value": value} for key, value in tags.items()] if tags else None
        with self._lock:
            own = check_request("RegisterTaskDefinition", copy.deepcopy(dict(definition)))
            return self._account.register(own, tag_list, owner=True).arn

    def deregister(self, arn: str) -> None:
        """Make a revision INACTIVE as Terraform would."""
        with self._lock:
            OPERATIONS["DeregisterTaskDefinition"](self._account, {"taskDefinition": arn})

    def delete_revision(self, identifier: str, *, done: bool = True) -> None:
        """Deregister a revision and delete it; it is DELETE_IN_PROGRESS, and not to be found once that is done.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/delete-task-definition-v2.html
        """
        with self._lock:
            revision = self._revision(identifier)
            if revision.deregistered_at is None:
                self.deregister(revision.arn)
            revision.status, revision.delete_requested_at = "DELETE_IN_PROGRESS", self.clock.time()
            if done:
                revision.status = DELETED

    def add_service(  # noqa: PLR0913 - all but what makes a service by name
        self,
        cluster: str,
        name: str,
        task_definition: str | None,
        *,
        status: str = "ACTIVE",
        deployment_controller: str | None = None,
        desired_count: int = 1,
        tags: Mapping[str, str] | None = None,
        service_revisions: bool = False,
        short_arn: bool = False,
        members: Mapping[str, object] | None = None,
    ) -> str:
        """Create a service whose first deployment is done, in a cluster that is made if need be; give its ARN.

        `members` are further members of its description, such as launchType or loadBalancers. A `short_arn` names no
        cluster, as those of services that were made before 2021 may not.
        """
        with self._lock:
            account = self._account
            owner = account.add_cluster(cluster, {})
            service = Service(
                cluster=owner,
                name=name,
                arn=f"{account.prefix}service/{name if short_arn else f'{owner.name}/{name}'}",
                task_definition=None,
                created_at=account.clock.time(),
                controller=deployment_controller,
                desired_count=desired_count,
                tags=dict(tags or {}),
                members=copy.deepcopy(dict(members or {})),
                has_revisions=service_revisions,
            )
            owner.services[name] = service
            if task_definition is not None:
                revision = account.launchable(task_definition)
                service.task_definition = revision.arn
                if deployment_controller in (None, "ECS"):
                    account.deploy(service, revision)
                    account.move_deployment(service, "SUCCESSFUL", None)
            if status == "INACTIVE":
                _delete(service)
            service.status = status
            return service.arn

    def delete_service(self, cluster: str, name: str) -> None:
        """Delete a service, which ECS goes on describing as INACTIVE."""
        with self._lock:
            _delete(self._service(cluster, name))

    def recreate_service(self, cluster: str, name: str, task_definition: str | None = None) -> None:
        """Delete a service and make one anew under its name, of its own revision unless given; it has no history."""
        with self._lock:
            old = self._service(cluster, name)
            self.add_service(
                cluster,
                name,
                task_definition or old.task_definition,
                deployment_controller=old.controller,
                desired_count=old.desired_count,
                tags=old.tags,
                service_revisions=old.has_revisions,
                members=old.members,
            )

    def update_service(self, cluster: str, name: str, task_definition: str | None = None) -> None:
        """Begin a deployment as somebody else would, Terraform or a person: of another revision, or the same anew."""
        with self._lock:
            service = self._service(cluster, name)
            identifier = task_definition or service.task_definition or ""
            self._account.deploy(service, self._account.launchable(identifier))

    def move_deployment(self, cluster: str, name: str, status: str, *, reason: str | None = None) -> None:
        """Take a service's newest deployment to a status such as SUCCESSFUL or ROLLBACK_IN_PROGRESS.

        Deployments stay IN_PROGRESS until then. One that rolls back takes the service back to what it ran before.
        """
        with self._lock:
            self._account.move_deployment(self._service(cluster, name), status, reason)

    def break_circuit(self, cluster: str, name: str, *, reason: str = BREAKER_REASON) -> None:
        """Let the circuit breaker end a service's newest deployment: the service is back on what it ran before."""
        self.move_deployment(cluster, name, "ROLLBACK_IN_PROGRESS", reason=reason)
        self.move_deployment(cluster, name, "ROLLBACK_SUCCESSFUL", reason=reason)

    def roll_back(self, cluster: str, name: str) -> None:
        """Roll a service back as a person does in the console, whether or not its deployment is done.

        A deployment under way is stopped. After one that is done, the revision that ran before is deployed anew.
        """
        with self._lock:
            deployment = self._service(cluster, name).deployments[-1]
            if deployment.finished:
                self.update_service(cluster, name, deployment.sources[0].task_definition)
            else:
                self.move_deployment(cluster, name, "ROLLBACK_IN_PROGRESS")
                self.move_deployment(cluster, name, "ROLLBACK_SUCCESSFUL")

    def pause(
        self,
        cluster: str,
        name: str,
        *,
        stage: str = "POST_TEST_TRAFFIC_SHIFT",
        seconds: float = 14 * 86400,
        timeout_action: str = "ROLLBACK",
    ) -> str:
        """Let a service's newest deployment wait at a PAUSE hook, for so many seconds at most; give the hook's id."""
        with self._lock:
            return self._account.pause(self._service(cluster, name), stage, seconds, timeout_action)

    def tasks(self, *, running: bool = True) -> list[str]:
        """Give the ARNs of the single tasks that have not stopped, or of all there were, the oldest first."""
        with self._lock:
            tasks = self._account.tasks.items()
            return [arn for arn, task in tasks if not running or task["lastStatus"] != "STOPPED"]

    def begin_task(self, arn: str) -> None:
        """Let a task run."""
        with self._lock:
            task = self._account.tasks[arn]
            task.update(lastStatus="RUNNING", startedAt=self.clock.time())
            for container in task["containers"]:
                container["lastStatus"] = "RUNNING"

    def end_task(
        self,
        arn: str,
        exit_code: int | Mapping[str, int | None] | None = 0,
        *,
        reason: str = "Essential container in task exited",
    ) -> None:
        """Let a task stop, with one exit code for all containers or one by name; None where it could not start."""
        with self._lock:
            task = self._account.tasks[arn]
            names = [container["name"] for container in task["containers"]]
            codes = exit_code if isinstance(exit_code, Mapping) else dict.fromkeys(names, exit_code)
            end_task(self._account, task, codes, reason)

    def fail_task(
        self,
        cluster: str,
        name: str,
        exit_code: int | Mapping[str, int | None] | None = 1,
        *,
        reason: str = "Essential container in task exited",
        container_reason: str | None = None,
    ) -> str:
        """Let a task of what a service is to run start and stop, for a reason of its containers perhaps."""
        with self._lock:
            task = start_for_service(self._account, self._service(cluster, name))
            if container_reason is not None:
                for container in task["containers"]:
                    container["reason"] = container_reason
            self.end_task(task["taskArn"], exit_code, reason=reason)
            return str(task["taskArn"])

    def add_event(self, cluster: str, name: str, message: str) -> None:
        """Let a service have an event, the newest, of this moment."""
        with self._lock:
            service = self._service(cluster, name)
            event = {
                "id": self._account.number(),
                "createdAt": self.clock.time(),
                "message": f"(service {name}) {message}",
            }
            service.events.insert(0, event)

    def end_deployments(self) -> None:
        """Let all rollouts end well, forward or back, but for deployments that wait at a hook."""
        with self._lock:
            for service in self._account.services():
                if not service.deployments or service.deployments[-1].finished or service.deployments[-1].waits:
                    continue
                is_back = service.deployments[-1].status.startswith("ROLLBACK_")
                self._account.move_deployment(service, "ROLLBACK_SUCCESSFUL" if is_back else "SUCCESSFUL", None)

    def task_definition(self, cluster: str, name: str) -> str | None:
        """Give the ARN of the revision that a service runs."""
        with self._lock:
            return self._service(cluster, name).task_definition

    def running(self, cluster: str, name: str) -> Json:
        """Give the definition that a service runs, as it was registered."""
        return self.definition(self.task_definition(cluster, name) or "")

    def retag(self, identifier: str, tags: Mapping[str, str]) -> None:
        """Write tags on a revision."""
        with self._lock:
            self._revision(identifier).tags.update(tags)

    def retag_service(self, cluster: str, name: str, tags: Mapping[str, str]) -> None:
        """Write tags on a service."""
        with self._lock:
            self._service(cluster, name).tags.update(tags)

    def retag_cluster(self, name: str, tags: Mapping[str, str]) -> None:
        """Write tags on a cluster."""
        with self._lock:
            self._account.cluster(name).tags.update(tags)

    def revisions(self, family: str, *, active: bool = False) -> list[str]:
        """Give the ARNs of all revisions of a family, or of the ACTIVE ones, the oldest first."""
        with self._lock:
            revisions = self._account.families.get(family, [])
            statuses = ("ACTIVE",) if active else ("ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS")
            return [revision.arn for revision in revisions if revision.status in statuses]

    def definition(self, identifier: str) -> Json:
        """Give a definition as it was registered, without the members that ECS adds."""
        with self._lock:
            return copy.deepcopy(self._revision(identifier).definition)

    def tags(self, identifier: str) -> dict[str, str]:
        """Give the tags of a revision."""
        with self._lock:
            return dict(self._revision(identifier).tags)

    # Behind the scenes

    def _handle_as(self, caller: str, operation: str, body: bytes) -> Answer:
        self._thread.caller = caller
        try:
            return self.handle(operation, body)
        finally:
            self._thread.caller = None

    def _service(self, cluster: str, name: str) -> Service:
        service = self._account.service(self._account.cluster(cluster), name)
        if service is None:
            raise errors.service_not_found()
        return service

    def _revision(self, identifier: str) -> Revision:
        revision = self._account.revision(identifier)
        if revision is None:
            raise errors.task_definition_unknown()
        return revision

    def _answer(self, operation: str, body: bytes) -> Answer:
        if operation not in OPERATIONS:
            code = "UnknownOperationException"
            raise errors.EcsError(code, operation)
        request = _read(body)
        self.calls.append(Call(operation, request))
        fault = due_fault(self._injections, operation)
        if fault is None and self._throttle is not None and not self._throttle.admits(operation):
            self.throttled[operation] += 1
            raise errors.throttled()
        for denial in self._denials:
            denial.check(self._account, operation, request)
        if self._account.paused:
            self._account.expire_hooks()
        answer = None if fault is None else refuse(fault, self._account, operation, request)
        if answer is None:
            answer = OPERATIONS[operation](self._account, check_request(operation, request))
            if operation in WRITES:
                self.writes.append(self.calls[-1])
        if fault is Fault.TIMEOUT_AFTER_WRITE:
            raise AnswerLost
        if fault is Fault.MALFORMED:
            return Answer(200, _HEADERS, b"<html>Bad Gateway</html>")
        if fault is Fault.INACTIVE:
            answer["taskDefinition"]["status"] = "INACTIVE"
        return _write(200, answer)


_HEADERS = {"Content-Type": "application/x-amz-json-1.1"}


def _read(body: bytes) -> Json:
    try:
        request = json.loads(body)
    except ValueError:
        request = None
    if isinstance(request, dict):
        return request
    code, message = "SerializationException", "The request is no JSON object."
    raise errors.EcsError(code, message)


def _write(status: int, answer: Json) -> Answer:
    return Answer(status, _HEADERS, json.dumps(answer).encode())


def _delete(service: Service) -> None:
    service.status, service.desired_count = "INACTIVE", 0
    service.rollouts.clear()
