"""Parameters of Systems Manager say which images services run, whatever happens to the pushes."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness.road import APP, Queues, Registry, Road, definition, pushed
from tests.harness.strict_ecs import StrictEcs

INPUTS = {"image_parameter_prefix": "/images"}
TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


class Parameters:
    """As much of Parameter Store as holds texts."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes = 0
        self.refusals: list[str] = []
        """The error code of each call that writes, while it is there."""

    def get_parameters(self, *, Names: list[str]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        assert 1 <= len(Names) <= 10
        return {"Parameters": [{"Name": one, "Value": self.values[one]} for one in Names if one in self.values]}

    def put_parameter(self, *, Name: str, Value: str, Type: str, Overwrite: bool) -> dict[str, Any]:  # noqa: N803
        assert Type == "String"
        assert Overwrite
        if self.refusals:
            error = {"Code": self.refusals[0], "Message": "not now"}
            raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}, "PutParameter")
        self.values[Name] = Value
        self.writes += 1
        return {"Version": self.writes}


@pytest.fixture
def parameters() -> Parameters:
    return Parameters()


@pytest.fixture
def road(ecs: StrictEcs, parameters: Parameters) -> Road:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1", "nginx")), service_revisions=True)
    registry = Registry()
    registry.push("v2")
    return Road(ecs, inputs=INPUTS, clients={"ssm": parameters, "ecr": registry})


def test_a_push_writes_what_runs_now_and_a_repeated_one_nothing(parameters: Parameters, road: Road) -> None:
    assert road.deliver(pushed("v2")) == []
    assert parameters.values == {"/images/prod/api/main": f"{APP}:v2"}

    assert road.deliver(pushed("v2")) == []
    assert parameters.writes == 1


def test_without_a_prefix_nothing_is_written(ecs: StrictEcs, parameters: Parameters) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    road = Road(ecs, clients={"ssm": parameters})

    assert road.push(pushed("v2"))["outcome"] == "deployed"

    assert parameters.values == {}


def test_a_dry_run_writes_nothing(ecs: StrictEcs, parameters: Parameters, road: Road) -> None:
    road = Road(ecs, inputs={**INPUTS, "dry_run": True}, clients=road.clients)

    assert road.push(pushed("v2"))["outcome"] == "deployed"
    assert road.deliver(TICK) == []

    assert parameters.values == {}


def test_only_images_that_rules_cover(ecs: StrictEcs, parameters: Parameters) -> None:
    side = f"{APP._replace(name='side')}:v1"
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1", side)))
    road = Road(ecs, inputs={**INPUTS, "rules": [{"repositories": ["app"]}]}, clients={"ssm": parameters})

    road.push(pushed("v2"))

    assert parameters.values == {"/images/prod/api/main": f"{APP}:v2"}


def test_more_services_than_are_asked_for_at_once(ecs: StrictEcs, parameters: Parameters) -> None:
    for index in range(11):
        ecs.add_service("prod", f"api-{index}", ecs.register(definition(f"api-{index}", f"{APP}:v1")))
    road = Road(ecs, inputs=INPUTS, clients={"ssm": parameters})

    road.push(pushed("v2"))

    assert parameters.values == {f"/images/prod/api-{index}/main": f"{APP}:v2" for index in range(11)}


def test_a_rollout_that_fails_takes_the_parameter_back(ecs: StrictEcs, parameters: Parameters, road: Road) -> None:
    road.deliver(pushed("v2"))

    ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")
    assert road.deliver(_ended("SERVICE_DEPLOYMENT_FAILED")) == []
    assert parameters.values == {"/images/prod/api/main": f"{APP}:v1"}

    # Told, but killed before the parameter was written: the message comes again.
    parameters.values.clear()
    assert road.deliver(_ended("SERVICE_DEPLOYMENT_FAILED")) == []
    assert parameters.values == {"/images/prod/api/main": f"{APP}:v1"}


def _ended(name: str) -> dict[str, Any]:
    return {
        "id": "ended",
        "source": "aws.ecs",
        "detail-type": "ECS Deployment State Change",
        "account": APP.account,
        "region": APP.region,
        "resources": [f"arn:aws:ecs:{APP.region}:{APP.account}:service/prod/api"],
        "detail": {"eventName": name, "deploymentId": "ecs-svc/1", "reason": "told"},
    }


def test_a_requested_rollback_takes_the_parameter_back(parameters: Parameters, ecs: StrictEcs, road: Road) -> None:
    road.deliver(pushed("v2"))
    ecs.end_deployments()

    road.request(rollback={"cluster": "prod", "service": "api", "force": True})

    assert parameters.values == {"/images/prod/api/main": f"{APP}:v1"}


def test_the_schedules_turn_writes_what_was_changed_by_hand(ecs: StrictEcs, parameters: Parameters, road: Road) -> None:
    road = Road(ecs, inputs={**INPUTS, "rollback_on_failure": True}, clients=road.clients)

    assert road.deliver(TICK) == []

    assert parameters.values == {"/images/prod/api/main": f"{APP}:v1"}


def test_a_push_whose_parameter_is_not_written_has_failed(parameters: Parameters, road: Road) -> None:
    parameters.refusals = ["ThrottlingException"]

    result = road.push(pushed("v2"))

    assert result["outcome"] == "failed"
    assert result["reason"] == "PutParameter of /images/* was refused: ThrottlingException: not now"
    assert road.image("prod", "api") == f"{APP}:v2"
    parameters.refusals.clear()
    assert road.push(pushed("v2"))["outcome"] == "unchanged"
    assert parameters.values == {"/images/prod/api/main": f"{APP}:v2"}


def test_a_parameter_that_is_not_written_is_tried_again(parameters: Parameters, road: Road, aws_queues: Queues) -> None:
    road.queues = aws_queues
    road.cold_start()
    parameters.refusals = ["ThrottlingException"]
    ended = _ended("SERVICE_DEPLOYMENT_COMPLETED")

    assert road.deliver(ended) == ["message-0"]

    parameters.refusals.clear()
    assert road.deliver(ended) == []
    assert parameters.values == {"/images/prod/api/main": f"{APP}:v1"}
