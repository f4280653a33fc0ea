"""Gates: histories of news, and what each comes to on each target, as data.

A history is a line of steps. `push v2` pushes an image under that tag, `upload v2` does it and no event reports it,
`live staging` ends what rolls out there well, `break staging` lets ECS's circuit breaker roll it back,
`approve v2 ann`, `reject v2 ann` and `deploy v2` are requests, `wait 30` lets minutes pass, `run` is a scheduled run,
`pin staging` and `opt-out staging` tag a service. `scan v2 HIGH=1` is a scan that ended with such findings, and
`scanned v2` one of whose end no event came. `freeze prod` and `unfreeze prod` are requests, `freeze prod 30` one that
ends by itself.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ecr_deploy.core import manifests
from tests.chaos.test_stateful import TICK
from tests.harness.road import APP, Queues, Registry, Road, definition, digest, from_region, pushed
from tests.harness.strict_ecs import Fault, StrictEcs

EVENTS = Path(__file__).parents[1] / "events" / "deployments"
STAGING = {"clusters": ["staging"]}
RULES: dict[str, list[dict[str, Any]]] = {
    "stage": [STAGING, {"clusters": ["prod"], "after": STAGING}],
    "soak": [STAGING, {"clusters": ["prod"], "after": {**STAGING, "live_minutes": 30}}],
    "chain": [
        STAGING,
        {"clusters": ["canary"], "after": {**STAGING, "live_minutes": 10}},
        {"clusters": ["prod"], "after": {"clusters": ["canary"]}},
    ],
    "approval": [STAGING, {"clusters": ["prod"], "approval": {}}],
    "expires": [STAGING, {"clusters": ["prod"], "approval": {"expires_hours": 1}}],
    "both": [STAGING, {"clusters": ["prod"], "after": STAGING, "approval": {}}],
    "age": [STAGING, {"clusters": ["prod"], "minimum_image_age": 20, "approval": {}}],
    "either": [STAGING, {"clusters": ["prod"], "approval": {}}, {"clusters": ["prod"], "tags": ["hotfix-*"]}],
    "semver": [STAGING, {"clusters": ["prod"], "semver": ">=1.0.0", "approval": {}}],
    "empty": [{"clusters": ["prod"], "after": {"clusters": ["nowhere"]}}],
    "scan": [STAGING, {"clusters": ["prod"], "max_scan_severity": "MEDIUM"}],
    "none": [STAGING, {"clusters": ["prod"], "max_scan_severity": "NONE", "scan_timeout_minutes": 30}],
    "scan-first": [STAGING, {"clusters": ["prod"], "max_scan_severity": "LOW", "approval": {}}],
    "all": [{}],
    "services": [STAGING, {"clusters": ["prod"], "after": {**STAGING, "services": ["web"]}}],
}
# Those that wait for staging, where that is in another region.
REMOTE = {
    name: json.loads(
        json.dumps(rules).replace(
            '"after": {"clusters": ["staging"]', '"after": {"region": "us-east-1", "clusters": ["staging"]'
        )
    )
    for name, rules in RULES.items()
    if '"after": {"clusters": ["staging"]' in json.dumps(rules)
}
# Rules | steps | what each cluster runs in the end | outcome and reason kind of the last push to production.
TABLE = Path(__file__).with_name("gates.txt").read_text().splitlines()
CASES = [tuple(cell.strip() for cell in line.split("|")) for line in TABLE]


class World:
    """One service in each cluster; that of staging may be in another region, where a function of its own reports it."""

    def __init__(
        self,
        ecs: StrictEcs,
        rules: list[dict[str, Any]],
        queues: Queues | None = None,
        *,
        staging: StrictEcs | None = None,
    ) -> None:
        self.ecs = ecs
        self.registry = Registry()
        self.registry.push("v1", time="2026-11-22T06:00:00Z")
        self.clusters = [
            name for name in ("staging", "canary", "prod") if name != "canary" or name in json.dumps(rules)
        ]
        self.road, self.remote = self._road(ecs, rules, queues), staging and self._road(staging, rules)
        for cluster in self.clusters:
            place = self._road_of(cluster).ecs
            family = place.register(definition(f"{cluster}-api", f"{APP}:v1"))
            place.add_service(cluster, "api", family, service_revisions=True)
        self.reported = 0
        self.deliver(TICK)
        ecs.clock.sleep(60)
        self.last = "v1"

    def _road(self, ecs: StrictEcs, rules: list[dict[str, Any]], queues: Queues | None = None) -> Road:
        return Road(ecs, queues, clients={"ecr": self.registry}, inputs={"rules": rules, "reconcile": True})

    def _road_of(self, cluster: str) -> Road:
        return self.remote if self.remote and cluster == "staging" else self.road

    @property
    def roads(self) -> list[Road]:
        return [self.remote, self.road] if self.remote else [self.road]

    def deliver(self, *bodies: Any) -> None:
        for road in self.roads:
            assert road.deliver(*bodies) == []

    def forward(self) -> None:
        """What the function in staging's region reported since, from its bus to ours, twice and in reverse order."""
        if self.remote:
            taken = self.remote.events.taken[self.reported :]
            self.reported += len(taken)
            now = f"{datetime.fromtimestamp(self.ecs.clock.time(), UTC):%Y-%m-%dT%H:%M:%SZ}"
            events = [from_region("us-east-1", detail, now) for _, detail in reversed(taken)]
            assert self.road.deliver(*events) == self.road.deliver(*events) == []

    def step(self, name: str, *arguments: str) -> None:
        getattr(self, name.replace("-", "_"))(*arguments)
        self.forward()
        self.ecs.clock.sleep(1)

    def push(self, tag: str) -> None:
        now = f"{datetime.fromtimestamp(self.ecs.clock.time(), UTC):%Y-%m-%dT%H:%M:%SZ}"
        if tag not in self.registry.pushed.get("app", {}):
            self.registry.push(tag, time=now)
        self.last = tag
        self.deliver(pushed(tag, time=now))

    def upload(self, tag: str) -> None:
        """A push that no event reports."""
        now = f"{datetime.fromtimestamp(self.ecs.clock.time(), UTC):%Y-%m-%dT%H:%M:%SZ}"
        self.registry.push(tag, time=now)
        self.last = tag

    def live(self, cluster: str) -> None:
        self.lost(cluster)
        self.changed(cluster, "completed")

    def lost(self, cluster: str) -> None:
        """It is live, and no event says so."""
        self._road_of(cluster).ecs.move_deployment(cluster, "api", "SUCCESSFUL")

    def changed(self, cluster: str, state: str) -> None:
        event = json.loads((EVENTS / f"{state}.json").read_text())
        event["resources"] = [f"arn:aws:ecs:eu-west-1:123456789012:service/{cluster}/api"]
        assert self._road_of(cluster).deliver(event) == []

    def break_(self, cluster: str) -> None:
        place = self._road_of(cluster).ecs
        place.break_circuit(cluster, "api")
        place.end_deployments()
        self.changed(cluster, "failed")

    def run(self) -> None:
        self.deliver(TICK)

    def wait(self, minutes: str) -> None:
        self.ecs.clock.sleep(int(minutes) * 60)

    def cold(self) -> None:
        for road in self.roads:
            road.cold_start()

    def pin(self, cluster: str) -> None:
        self._road_of(cluster).ecs.retag_service(cluster, "api", {"ecr-deploy:pinned": "yes"})

    def opt_out(self, cluster: str) -> None:
        self._road_of(cluster).ecs.retag_service(cluster, "api", {"ecr-deploy:enabled": "false"})

    def deploy(self, tag: str) -> None:
        for road in self.roads:
            road.request(repository="app", tag=tag)

    def approve(self, tag: str, by: str) -> None:
        self._exists(tag)
        self.road.request(approve={"repository": "app", "tag": tag}, by=by)

    def approve_there(self, tag: str, by: str) -> None:
        self.road.request(approve={"repository": "app", "tag": tag, "clusters": ["prod"]}, by=by)

    def reject(self, tag: str, by: str) -> None:
        self._exists(tag)
        self.road.request(reject={"repository": "app", "tag": tag, "clusters": ["prod"]}, by=by)

    def _exists(self, tag: str) -> None:
        """An image whose push no event has reported, if need be."""
        if tag not in self.registry.pushed["app"]:
            self.registry.push(tag, time="2026-11-24T00:00:30Z")
            self.last = tag

    def scan(self, tag: str, *findings: str) -> None:
        self.scanned(tag, *findings)
        event = json.loads((EVENTS.parent / "scan.json").read_text())
        event["detail"] |= {"repository-name": "app", "image-digest": digest(tag)}
        self.deliver({**event, "region": "eu-west-1"})

    def scanned(self, tag: str, *findings: str) -> None:
        """A scan of whose end no event came."""
        counts = {severity: int(count) for severity, count in (finding.split("=") for finding in findings)}
        self.registry.scans[digest(tag)] = ("COMPLETE", counts)

    def freeze(self, cluster: str, minutes: str | None = None) -> None:
        request = {"clusters": [cluster], "reason": "audit"}
        if minutes:
            until = datetime.fromtimestamp(self.ecs.clock.time() + int(minutes) * 60, UTC)
            request["until"] = f"{until:%Y-%m-%dT%H:%M:%SZ}"
        self.road.request(freeze=request, by="ann")

    def unfreeze(self, cluster: str) -> None:
        self.road.request(unfreeze={"clusters": [cluster]})

    def runs(self) -> dict[str, str]:
        """The tag that each cluster runs."""
        return {cluster: self._road_of(cluster).image(cluster, "api").rpartition(":")[2] for cluster in self.clusters}

    def decided(self) -> str:
        """Outcome and kind of reason of the last push in production."""
        answer = self.road.request(explain={"repository": "app", "tag": self.last})
        [service] = [service for service in answer["services"] if service["cluster"] == "prod"]
        return f"{service['outcome']} {service['reason_kind']}"


setattr(World, "break", World.break_)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 80


@pytest.mark.parametrize(("rules", "steps", "runs", "decided"), CASES, ids=[f"{one[0]}: {one[1]}" for one in CASES])
def test_what_waits_and_what_passes(ecs: StrictEcs, rules: str, steps: str, runs: str, decided: str) -> None:
    world = World(ecs, RULES[rules])

    for step in steps.split(", "):
        world.step(*step.split())

    assert world.runs() | dict(text.split() for text in runs.split(", ")) == world.runs()
    assert world.decided() == decided


@pytest.mark.parametrize(
    ("rules", "steps", "runs", "decided"),
    [case for case in CASES if case[0] in REMOTE],
    ids=[f"{case[0]}: {case[1]}" for case in CASES if case[0] in REMOTE],
)
def test_a_stage_in_another_region_is_as_one_here(
    ecs: StrictEcs, rules: str, steps: str, runs: str, decided: str
) -> None:
    world = World(ecs, REMOTE[rules], staging=StrictEcs(clock=ecs.clock))

    for step in steps.split(", "):
        world.step(*step.split())

    assert world.runs() | dict(text.split() for text in runs.split(", ")) == world.runs()
    assert world.decided() == decided


@pytest.mark.parametrize("first", ["push", "upload"])
def test_what_waits_and_what_expires_is_reported_once(ecs: StrictEcs, first: str) -> None:
    world = World(ecs, RULES["expires"])
    for step in (f"{first} v2", "run", "run", "wait 60", "run", "run", "run"):
        world.step(*step.split())

    reported = [detail["outcome"] for _, detail in world.road.events.taken if detail["cluster"] == "prod"]

    assert reported == ["waiting", "superseded"]


def test_what_nobody_scans_in_time_fails_once_and_a_request_tries_again(ecs: StrictEcs, aws_queues: Queues) -> None:
    world = World(ecs, RULES["none"], aws_queues)
    for step in ("push v2", "run", "wait 30", "run", "run"):
        world.step(*step.split())

    reported = [detail for _, detail in world.road.events.taken if detail["cluster"] == "prod"]
    assert [(detail["outcome"], detail["reason_kind"]) for detail in reported] == [
        ("waiting", "scan"),
        ("failed", "no-scan"),
    ]
    assert reported[1]["reason"] == "ECR had not scanned it by 2026-11-24T00:31:00Z"

    world.step("scanned", "v2")
    world.step("deploy", "v2")
    assert world.road.image("prod", "api") == f"{APP}:v2"


@pytest.mark.parametrize(
    ("scans", "decided"),
    [
        ({}, "waiting scan"),
        ({"amd64": ("COMPLETE", {})}, "waiting scan"),
        ({"amd64": ("COMPLETE", {}), "arm64": ("IN_PROGRESS", {})}, "waiting scan"),
        ({"amd64": ("COMPLETE", {}), "arm64": ("UNSUPPORTED_IMAGE", {})}, "waiting scan"),
        ({"amd64": ("COMPLETE", {}), "arm64": ("ACTIVE", {"LOW": 2})}, "deployed None"),
        ({"amd64": ("COMPLETE", {"HIGH": 1}), "arm64": ("COMPLETE", {})}, "skipped findings"),
        # Of which ECR says that it can't be scanned, not that it never was.
        ({"v2": ("UNSUPPORTED_IMAGE", {}), "amd64": ("COMPLETE", {}), "arm64": ("COMPLETE", {})}, "deployed None"),
    ],
)
def test_an_index_is_as_good_as_all_of_its_images(
    ecs: StrictEcs, scans: dict[str, tuple[str, dict[str, int]]], decided: str
) -> None:
    world = World(ecs, RULES["scan"])
    attestation = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest("amd64")}
    world.registry.indexes[digest("v2")] = [
        {"digest": digest("amd64"), "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": digest("arm64"), "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": digest("proof"), "platform": {"os": "unknown"}, "annotations": attestation},
    ]
    world.registry.scans = {digest(name): scan for name, scan in scans.items()}
    world.step("upload", "v2")

    assert world.decided() == decided


def test_the_end_of_a_scan_where_nothing_waits_for_it(ecs: StrictEcs, aws_queues: Queues) -> None:
    world = World(ecs, RULES["scan"], aws_queues)
    world.step("push", "v2")
    world.step("cold")
    ecs.deny("ListServices")
    world.step("scan", "v2")
    assert len(aws_queues.dead_letters()) == 1

    for inputs in ({"dry_run": True, "rules": RULES["scan"]}, {}):
        # What was begun beside the call that was refused may still arrive; whoever looks for services lists them.
        listed = ecs.count("ListServices")
        world.road = Road(ecs, inputs=inputs)
        world.step("scan", "v2")
        assert ecs.count("ListServices") == listed


@pytest.mark.parametrize("manifest", ["", "{", "[]", '{"manifests": 1}', '{"manifests": [1, {}]}'])
def test_what_is_no_index_has_no_parts(manifest: str) -> None:
    assert manifests.parts_of(manifest) == []


def test_a_stage_that_can_not_be_read_fails_the_push_by_name(ecs: StrictEcs) -> None:
    world = World(ecs, RULES["stage"])
    item = {"target": {"S": "service/staging/api"}, "item": {"S": "memory"}, "version": {"N": "1"}}
    world.road.table.put({**item, "memory": {"S": "not JSON"}})

    result = world.road.push(pushed("v2"))

    assert result["outcome"] == "failed"
    assert "service/staging/api" in result["reason"]
    assert ecs.writes == []


def test_a_stage_of_which_nobody_knows_what_it_runs_holds_what_it_gates(ecs: StrictEcs) -> None:
    world = World(ecs, RULES["stage"])
    world.road.cold_start()
    ecs.deny("DescribeServiceRevisions")
    ecs.inject("DescribeTaskDefinition", Fault.MISSING, times=9)

    assert world.road.push(pushed("v2"))["outcome"] in {"failed", "skipped"}

    assert ecs.writes == []
