"""Whatever happens, in whatever order: in the end every container runs the newest push, and all else is its owner's.

Hypothesis makes up the story: pushes of several images, events that come late, twice, together or not at all at first,
a process that dies at any call, calls that fail, ECS's and the table's, messages that are dead-lettered and redriven,
another writer beside us, a Terraform that registers revisions with new settings and stale images, at its own pace or
just before our turn, and may deploy them, to all services of a family or to one alone, and services that are rolled
back: by ECS, on request, in the console. Clusters share a family, and have rules of their own.
"""

import copy
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ecr_deploy.aws import pacing
from ecr_deploy.core import records
from ecr_deploy.core.errors import InvalidRequestError
from ecr_deploy.core.images import Repository
from ecr_deploy.core.records import Record
from ecr_deploy.core.rules import by_time
from tests.harness.road import APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import Answer, Died, FakeClock, Fault, StrictEcs, reuse_clients
from tests.harness.table import TableFault
from tests.unit.test_rollouts import changed

SIDE = APP._replace(name="side")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULES = [
    {"repositories": ["app"], "exclude_tags": ["*-rc"], "clusters": ["prod", "batch"]},
    {"repositories": ["app"], "clusters": ["staging"]},
    {"repositories": ["side"]},
]
TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


class Family(NamedTuple):
    """A task definition as Terraform knows it, and the services (cluster, name) that run it."""

    images: tuple[str, ...]
    services: tuple[tuple[str, str], ...]


FAMILIES = {
    "api": Family((f"{APP}:v0", f"{SIDE}:v0"), (("prod", "api"), ("prod", "canary"), ("staging", "api"))),
    "web": Family((f"{APP}:latest", "nginx"), (("prod", "web"),)),
    "jobs": Family((f"{SIDE}:v0", f"{APP}-worker:v0"), (("batch", "jobs"),)),
}
SERVICES = [service for family in FAMILIES.values() for service in family.services]
TABLE_FAULTS = [
    (fault, operation)
    for fault in TableFault
    for operation in ("BatchGetItem", "PutItem", "UpdateItem")
    if fault.can_hit(operation)
]
PASSING = [fault for fault in Fault if fault not in (Fault.MISSING, Fault.INACTIVE)]
FAULTS = [(fault, operation) for fault in PASSING for operation in pacing._BUCKET_OF if fault.can_hit(operation)]  # noqa: SLF001 - the one list of all operations that the function calls


class Ecs(StrictEcs):
    """An ECS on which Terraform may register a revision just before we do."""

    def __init__(self) -> None:
        super().__init__(clock=FakeClock())
        self.rivals: list[Any] = []

    def handle(self, operation: str, body: bytes) -> Answer:
        if operation == "RegisterTaskDefinition" and self.rivals:
            self.rivals.pop()()
        return super().handle(operation, body)


class Sqs:
    """As much of SQS as the function needs: dead letters come back by a redrive, unfinished work by itself."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send_message(self, *, MessageBody: str, **_: str) -> None:  # noqa: N803 - boto3's name
        self.sent.append(MessageBody)

    def change_message_visibility_batch(self, **_: object) -> dict[str, Any]:
        """Time means nothing here."""
        return {}


def without_images(task_definition: dict[str, Any]) -> dict[str, Any]:
    stripped = copy.deepcopy(task_definition)
    for container in stripped["containerDefinitions"]:
        del container["image"]
    return stripped


# Which events to deliver: counted from the first, and round again.
_picks = st.lists(st.integers(0, 30), min_size=1, max_size=6)


class Story(RuleBasedStateMachine):
    """What happens to a fleet, and what must be true of it when all is over."""

    def __init__(self) -> None:
        super().__init__()
        self.ecs = Ecs()
        self.now = NOON
        self.pushes: list[Record] = []
        self.events: list[dict[str, Any]] = []
        self.settings: dict[str, list[dict[str, Any]]] = {name: [] for name in FAMILIES}
        # Families of which Terraform moved one service alone: they are different programs from then on.
        self.apart: set[str] = set()
        self.rejected: dict[tuple[str, str], dict[tuple[Repository, str], datetime]] = {one: {} for one in SERVICES}
        self.seen: set[tuple[tuple[str, str], str]] = set()
        for name, family in FAMILIES.items():
            revision = self._register(name)
            for cluster, service in family.services:
                self.ecs.add_service(cluster, service, revision, service_revisions=name != "jobs")

    @initialize(
        image_reference=st.sampled_from(["tag", "digest", "tag+digest"]),
        base_revision=st.sampled_from(["latest", "latest", "running"]),
        seed=st.integers(0, 1000),
    )
    def start(self, image_reference: str, base_revision: str, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - no secret
        self.base_revision = base_revision
        self.inputs = {"rules": RULES, "image_reference": image_reference, "base_revision": base_revision}
        self.road = self._road()

    @rule(
        repository=st.sampled_from([APP, SIDE]),
        tags=st.lists(st.sampled_from(["v1", "v2", "main", "latest", "x-rc"]), min_size=1, max_size=2, unique=True),
        image=st.integers(0, 4),
        seconds=st.integers(0, 2),
        both=st.booleans(),
    )
    def push(self, repository: Repository, tags: list[str], image: int, seconds: int, *, both: bool) -> None:
        """Push an image under a tag or two; an account with a trail gets a second event, a second later."""
        self.now = max(self.now, datetime.fromtimestamp(self.ecs.clock.time(), UTC).replace(microsecond=0))
        for tag in tags:
            self.now += timedelta(seconds=seconds)
            self._announce(Record(repository, tag, digest(image), self.now))
            if both:
                self._announce(Record(repository, tag, digest(image), self.now + timedelta(seconds=1)))

    @precondition(lambda self: self.events)
    @rule(picks=_picks)
    def deliver(self, picks: list[int]) -> None:
        """Some of all events, in any order, however often they came before."""
        self._deliver([self.events[pick % len(self.events)] for pick in picks])

    @precondition(lambda self: self.events)
    @rule(picks=_picks, at_call=st.integers(1, 30), before=st.booleans())
    def deliver_and_die(self, picks: list[int], at_call: int, *, before: bool) -> None:
        self.ecs.die(at_call, before=before)
        try:
            self.deliver(picks)
        except Died:
            self.road.cold_start()
        self.ecs.revive()
        self.ecs.clock.sleep(330)

    @precondition(lambda self: self.events)
    @rule(picks=_picks, fault=st.sampled_from(FAULTS), nth=st.integers(1, 4), times=st.sampled_from([1, 2, 100]))
    def deliver_and_fail(self, picks: list[int], fault: tuple[Fault, str], nth: int, times: int) -> None:
        self.ecs.inject(fault[1], fault[0], nth, times=times)
        self.deliver(picks)
        self.ecs.heal()

    @precondition(lambda self: self.events)
    @rule(picks=_picks, fault=st.sampled_from(TABLE_FAULTS), nth=st.integers(1, 4), times=st.sampled_from([1, 2, 100]))
    def deliver_while_the_table_fails(
        self, picks: list[int], fault: tuple[TableFault, str], nth: int, times: int
    ) -> None:
        self.road.table.inject(fault[1], fault[0], nth, times=times)
        self.deliver(picks)
        self.road.table.heal()
        # What could not be given back ends by itself.
        self.ecs.clock.sleep(61)

    @precondition(lambda self: self.events)
    @rule(picks=_picks, others=_picks)
    def deliver_beside_another_writer(self, picks: list[int], others: list[int]) -> None:
        """Just before we register, another invocation handles other events."""
        other = self._road()
        events = [self.events[pick % len(self.events)] for pick in others]
        self.ecs.rivals.append(lambda: other.deliver(*events))
        self.deliver(picks)
        self.ecs.rivals.clear()

    @rule(service=st.sampled_from(SERVICES))
    def circuit_breaks(self, service: tuple[str, str]) -> None:
        """ECS rolls back what rolls out, and says so."""
        rollout = self.road.memory(*service).rollout
        is_ours = rollout is not None and rollout.state == "started"
        if not is_ours or rollout is None or self.ecs.task_definition(*service) != rollout.revision:
            return
        if service[0] == "batch":
            return
        self.ecs.break_circuit(*service)
        self._say_changed(service)

    @rule(service=st.sampled_from(SERVICES))
    def roll_back(self, service: tuple[str, str]) -> None:
        """Somebody asks to roll a service back, where there is something to."""
        try:
            self.road.request(rollback={"cluster": service[0], "service": service[1], "force": True})
        except InvalidRequestError:
            return
        self._note_rejections()

    @precondition(lambda self: self.events)
    @rule()
    def scheduled_run(self) -> None:
        self._deliver([TICK])
        self._note_rejections()

    @rule(service=st.sampled_from(SERVICES))
    def rollout_ends(self, service: tuple[str, str]) -> None:
        """A rollout is live, and ECS says so."""
        if service[0] != "batch":
            self.ecs.end_deployments()
            self._say_changed(service)

    @rule(
        name=st.sampled_from(sorted(FAMILIES)),
        moves=st.sampled_from(["none", "all", "one"]),
        deregisters=st.booleans(),
    )
    def apply(self, name: str, moves: str, *, deregisters: bool) -> None:
        """Terraform: new settings with the images that it knows; it may deploy them, and drop what was there before."""
        before = self.ecs.revisions(name)[-1]
        revision = self._register(name)
        services = FAMILIES[name].services
        if moves == "one" and len(services) > 1:
            self.apart.add(name)
            services = services[:1]
        elif moves == "all":
            self.apart.discard(name)
        for cluster, service in services if moves != "none" else ():
            self.ecs.update_service(cluster, service, revision)
        if deregisters:
            self.ecs.deregister(before)

    @rule(name=st.sampled_from(sorted(FAMILIES)))
    def apply_just_before_our_turn(self, name: str) -> None:
        self.ecs.rivals.append(lambda: self._register(name))

    @rule()
    def cold_start(self) -> None:
        self.road.cold_start()

    def teardown(self) -> None:
        """Deliver everything once more: what runs is the newest push. Push once more: all settings are the newest."""
        if not hasattr(self, "road"):
            return
        self.ecs.rivals.clear()
        self._settle()
        for event in self._shuffled():
            self._deliver([event])
        self._settle()
        self.check()
        writes = len(self.ecs.writes)
        self._deliver(self._shuffled())
        assert len(self.ecs.writes) == writes, "what is done is not done again"
        self.now += timedelta(seconds=10)
        for repository in (APP, SIDE):
            self._announce(Record(repository, "v9", digest("closing"), self.now))
        self._deliver(self.events[-2:])
        self.check()
        if self.base_revision == "latest":
            for name, family in FAMILIES.items():
                # A service that went back further than to what we know of it counts as another program.
                if name in self.apart or any(self.rejected[service] for service in family.services):
                    continue
                for cluster, service in family.services:
                    assert without_images(self.ecs.running(cluster, service)) == self.settings[name][-1]
        reuse_clients()

    def _settle(self) -> None:
        """Let all rollouts end, and ECS say so."""
        self.ecs.end_deployments()
        for service in SERVICES:
            self._say_changed(service)

    def check(self) -> None:
        for name, family in FAMILIES.items():
            for cluster, service in family.services:
                running = self.ecs.running(cluster, service)
                assert without_images(running) in self.settings[name]
                for container, terraforms in zip(running["containerDefinitions"], family.images, strict=True):
                    self._check_image(container["image"], terraforms, (cluster, service))

    def _check_image(self, image: str, terraforms: str, service: tuple[str, str]) -> None:
        recorded = self.road.recorded(*service)
        newest = self._newest(terraforms, service)
        if newest is None:
            assert image == terraforms or self.rejected[service]
            return
        spelled = {f"{newest.repository}:{push.tag}" for push in self.pushes if push.digest == newest.digest}
        spelled |= {f"{one}@{newest.digest}" for one in (*spelled, newest.repository)}
        assert image in spelled
        assert recorded[newest.repository.name].digest == newest.digest

    def _newest(self, terraforms: str, service: tuple[str, str]) -> Record | None:
        """The push that a container ends with that began with an image of Terraform's."""
        repository, _, tag = terraforms.rpartition(":")
        mine = [push for push in self.pushes if str(push.repository) == repository]
        allowed = [
            push for push in mine if push.repository != APP or service[0] == "staging" or not push.tag.endswith("-rc")
        ]
        followed = [push for push in allowed if push.tag != "latest" or tag == "latest"]
        return max(
            (push for push in followed if not self._is_rejected(push, allowed, service)), key=by_time, default=None
        )

    def _is_rejected(self, push: Record, allowed: Sequence[Record], service: tuple[str, str]) -> bool:
        """Whether an image was rolled back from a service, and was not pushed again since."""
        at = self.rejected[service].get((push.repository, push.digest))
        pushes = [one.pushed_at for one in allowed if (one.repository, one.digest) == (push.repository, push.digest)]
        return at is not None and at >= max(pushes)

    def _note_rejections(self) -> None:
        """Take note of what was rolled back, and from where: it must not come again."""
        for service in SERVICES:
            for rollout in self.road.memory(*service).rollouts:
                if rollout.state not in ("rolled-back", "failed") or (service, rollout.key) in self.seen:
                    continue
                self.seen.add((service, rollout.key))
                for push in rollout.pushes:
                    self.rejected[service][push.repository, push.digest] = rollout.since

    def _say_changed(self, service: tuple[str, str]) -> None:
        event = changed(service=service[1])
        event["resources"] = [f"arn:aws:ecs:eu-west-1:123456789012:service/{service[0]}/{service[1]}"]
        event["detail"]["clusterArn"] = f"arn:aws:ecs:eu-west-1:123456789012:cluster/{service[0]}"
        self._deliver([event])
        self._note_rejections()

    def _road(self) -> Road:
        return Road(self.ecs, inputs=self.inputs, clients={"sqs": Sqs()})

    def _register(self, name: str) -> str:
        members = {"cpu": str(256 + len(self.settings[name])), "inventedLater": {"by": name}}
        terraforms = definition(name, *FAMILIES[name].images, **members)
        self.settings[name].append(without_images(terraforms))
        return self.ecs.register(terraforms, {"by": "terraform"})

    def _announce(self, push: Record) -> None:
        self.pushes.append(push)
        time = records.format_time(push.pushed_at)
        self.events.append(pushed(push.tag, push.digest, repository=push.repository.name, time=time))

    def _deliver(self, events: Sequence[dict[str, Any]]) -> None:
        self.road.deliver(*events)
        # Each invocation has the time that it needs.
        self.ecs.clock.sleep(300)

    def _shuffled(self) -> list[dict[str, Any]]:
        return self.random.sample(self.events, len(self.events))


Story.TestCase.settings = settings(
    max_examples=int(os.environ.get("STORIES", "0"))
    or settings().max_examples * (1 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 6),
    stateful_step_count=15,
)
test_every_story_ends_well = Story.TestCase
