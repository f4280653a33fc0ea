"""Calls of AWS: what passes by itself, what comes in time, and what an old runtime has not."""

from typing import Any

import pytest
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from ecr_deploy.aws import calls
from ecr_deploy.aws.calls import Api
from ecr_deploy.aws.pacing import CALL_SECONDS, Pacer
from ecr_deploy.core.errors import CallError, InvalidRequestError, OutOfTimeError, Retry, RuntimeTooOldError
from tests.harness.road import APP, Context, Road, definition, pushed
from tests.harness.strict_ecs import FakeClock, StrictEcs
from tests.unit.test_refusals import refusal
from tests.unit.test_rollouts import changed


def test_what_passes_is_what_the_sdk_says() -> None:
    assert set(ThrottledRetryableChecker._THROTTLED_ERROR_CODES) <= calls.THROTTLING  # noqa: SLF001 - it has no other
    transient = set(TransientRetryableChecker._TRANSIENT_ERROR_CODES)  # noqa: SLF001
    assert transient <= calls.TRANSIENT | calls.THROTTLING


@pytest.mark.parametrize(
    "code",
    [
        *sorted(calls.THROTTLING | calls.TRANSIENT),
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
    ],
)
def test_a_refusal_that_passes(code: str) -> None:
    assert calls.translate(refusal(code), "UpdateService", "it").retry is Retry.LATER


@pytest.mark.parametrize(("status", "kind"), [(429, "throttled"), (500, "refused"), (503, "refused"), (599, "refused")])
def test_a_status_that_passes(status: int, kind: str) -> None:
    error = calls.translate(refusal("Odd", status=status), "UpdateService", "it")

    assert (error.retry, error.kind) == (Retry.LATER, kind)


class Slow:
    """A service that lets every call time out."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.calls = 0

    def get_parameters(self, **_: object) -> None:
        self.calls += 1
        self.clock.sleep(CALL_SECONDS)
        code = "RequestTimeout"
        raise refusal(code)


def test_no_call_begins_that_could_end_after_the_deadline() -> None:
    clock = FakeClock()
    slow, pacer = Slow(clock), Pacer(clock)
    pacer.deadline = clock.time() + 30
    api = Api(lambda: slow, pacer)

    with pytest.raises(OutOfTimeError):
        api.call("GetParameters", "it", {})

    assert clock.time() <= pacer.deadline
    assert slow.calls == 2


def test_every_client_has_time_outs_and_no_retries_of_its_own(ecs: StrictEcs) -> None:
    made: dict[str, Any] = {}

    class Noting(Road):
        def client(self, service: str, **kwargs: Any) -> Any:
            made[service] = kwargs["config"]
            return super().client(service, **kwargs)

    environment = Noting(ecs, inputs={"codedeploy": True}).handler.environment
    for name in ("event_bus", "systems_manager"):
        assert getattr(environment, name).client
    assert environment.registry("eu-west-1").client
    assert made.keys() == {"ecs", "events", "ssm", "ecr"}
    for config in made.values():
        assert config.connect_timeout + config.read_timeout == CALL_SECONDS
        assert config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize("version", ["1.35.15", "1.34.162", "1.9.200", "0.99"])
def test_a_runtime_that_is_too_old(version: str) -> None:
    with pytest.raises(RuntimeTooOldError, match=rf"^ecr-deploy needs boto3 1\.35\.16 or newer, .* has {version}: "):
        calls.check_runtime(version)


@pytest.mark.parametrize("version", ["1.35.16", "1.36", "1.44.5", "2.0.0"])
def test_a_runtime_that_will_do(version: str) -> None:
    calls.check_runtime(version)


class Older:
    """A client of a boto3 that knows some operations not yet."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def __getattr__(self, name: str) -> Any:
        if "service_deployment" in name or "service_revision" in name:
            raise AttributeError(name)
        return getattr(self._made, name)


def test_operations_that_boto3_does_not_know_have_another_way(ecs: StrictEcs) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")), service_revisions=True)

    class OldRoad(Road):
        def client(self, service: str, **kwargs: Any) -> Any:
            return Older(super().client(service, **kwargs))

    road = OldRoad(ecs, inputs={"rollback_on_failure": True})
    assert road.registry is not None
    road.registry.push("v2")
    assert road.push(pushed("v2"))["outcome"] == "deployed"
    assert road.push(pushed("v3", time="2026-11-25T07:00:00Z"))["outcome"] == "deployed"
    assert road.deliver(changed()) == []
    ecs.clock.sleep(31 * 60)
    assert road.deliver({"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event"}) == []

    assert road.image("prod", "api") == f"{APP}:v2"
    assert not any("ServiceDeployment" in call.operation for call in ecs.calls)


def test_a_page_that_leads_back_is_an_error() -> None:
    class Round:
        def list_clusters(self, **_: object) -> dict[str, Any]:
            return {"clusterArns": [], "nextToken": "again"}

    pages = Api(Round, Pacer(FakeClock())).pages("ListClusters", "clusters", {"clusterArns": [str]})

    with pytest.raises(CallError, match=r"^ListClusters of clusters was answered with a nextToken that leads back$"):
        list(pages)


def test_a_service_that_lacks_a_member_is_skipped_and_named(ecs: StrictEcs, caplog: pytest.LogCaptureFixture) -> None:
    revision = ecs.register(definition("api", f"{APP}:v1"))
    ecs.add_service("prod", "api", revision)
    ecs.add_service("prod", "odd", revision, members={"taskSets": [{"status": "ACTIVE"}]})

    assert Road(ecs).push(pushed("v2"))["outcome"] == "deployed"

    assert "odd: DescribeServices answered it without taskSets[0].taskDefinition" in caplog.text


@pytest.mark.parametrize("records", [{}, "text", [{}], [None], [{"eventSource": "aws:s3", "s3": {}}]])
def test_records_that_are_not_of_sqs(road: Road, records: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^Records must be .*\.$"):
        road.handler({"Records": records}, Context())


def test_a_request_with_half_a_surrogate_pair(ecs: StrictEcs, road: Road) -> None:
    ecs.add_cluster("prod")
    with pytest.raises(InvalidRequestError) as caught:
        road.request(history={"cluster": "prod", "service": "\ud800"})

    assert str(caught.value).encode()
