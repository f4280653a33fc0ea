"""The role's policies against the calls that other tests made: nothing missing, nothing too much.

Both sides are computed: the calls were recorded in `make coverage`, the policies are those that Terraform plans.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import boto3
import pytest

from tests.harness.policy import Permission, allows
from tests.harness.recorded_calls import CALLS, FEATURES, FEATURES_OF_RULES
from tests.harness.terraform import Root, copy_module

Policies = dict[frozenset[str], list[dict[str, Any]]]

ALL = frozenset((*FEATURES, *FEATURES_OF_RULES))
NONE: frozenset[str] = frozenset()
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaSQSQueueExecutionRole.html
LAMBDAS_OWN = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
}


class Recorded(NamedTuple):
    """A permission that a call needed, and the features that were on."""

    features: frozenset[str]
    needed: Permission


@pytest.fixture(scope="module")
def recorded() -> list[Recorded]:
    """Every permission that the tests needed which `make coverage` ran before."""
    lines = {line for file in CALLS.glob("*.jsonl") for line in file.read_text().splitlines()}
    return [Recorded(frozenset(features), Permission(*needed)) for features, *needed in map(json.loads, lines)]


@pytest.fixture(scope="module")
def policies(aws: None, recorded: list[Recorded], tmp_path_factory: pytest.TempPathFactory) -> Policies:
    """The statements for each combination of features, as far as they are known before the queues are."""
    del aws
    sets = sorted({one.features for one in recorded} | {NONE, ALL}, key=sorted)
    combinations = {f"combination-{index}": features for index, features in enumerate(sets)}
    registries = {one.needed.resource.split(":")[4] for one in recorded if one.needed.action.startswith("ecr:")}
    calendars = {
        one.needed.resource.rpartition("/")[2] for one in recorded if one.needed.action == "ssm:GetCalendarState"
    }
    topics = {one.needed.resource for one in recorded if one.needed.action == "sns:Publish"}
    # The table has the name of the instance.
    tables = {one.needed.resource.rpartition("/")[2] for one in recorded if one.needed.action.startswith("dynamodb:")}
    planned = Root(copy_module(tmp_path_factory.mktemp("permissions")) / "permissions").plan(
        combinations={name: sorted(features) for name, features in combinations.items()},
        registries=sorted(registries),
        change_calendars=sorted(calendars),
        topics=sorted(topics),
    )
    statements: Policies = {features: [] for features in combinations.values()}
    for change in planned["resource_changes"]:
        if change["type"] in {"aws_iam_role_policy", "aws_iam_policy"} and (
            policy := change["change"]["after"].get("policy")
        ):
            name = change["module_address"].partition('["')[2].removesuffix('"]')
            text = policy.replace(f":table/{name}", f":table/{next(iter(tables), name)}")
            statements[combinations[name]] += json.loads(text)["Statement"]
    return statements


def of_features(recorded: Iterable[Recorded]) -> list[Recorded]:
    """Those of the policies that depend on features; the queue's and the log's never do."""
    return [one for one in recorded if not one.needed.action.startswith("sqs:")]


def test_nothing_is_missing(recorded: list[Recorded], policies: Policies) -> None:
    missing = [one for one in of_features(recorded) if not allows(policies[one.features], one.needed)]

    assert len(recorded) > 500
    assert missing == []


@pytest.mark.parametrize("feature", sorted(ALL))
def test_a_feature_that_is_off_has_no_permissions(recorded: list[Recorded], policies: Policies, feature: str) -> None:
    without = {one.needed.action for one in recorded if one.features == NONE}
    its_own = [
        one.needed for one in of_features(recorded) if one.features == {feature} and one.needed.action not in without
    ]

    assert its_own
    assert [needed for needed in its_own if allows(policies[NONE], needed)] == []


def test_nothing_is_too_much(recorded: list[Recorded], policies: Policies) -> None:
    granted = {action for statement in policies[ALL] for action in statement["Action"]}

    assert granted - {one.needed.action for one in recorded} == set()
    assert [action for action in granted if "*" in action] == []


def test_only_what_takes_no_resource_is_granted_on_all(policies: Policies) -> None:
    # https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    assert {action for one in policies[ALL] if one["Resource"] == ["*"] for action in one["Action"]} == {
        "ecs:DescribeTaskDefinition",
        "ecs:ListTaskDefinitions",
        "ecs:ListTaskDefinitionFamilies",
        "ecs:ListClusters",
        "ecs:ListDaemonTaskDefinitions",
        "ecs:ListDaemons",
        "ecs:ListServices",
        "ecs:ListTasks",
        "ecs:DeregisterTaskDefinition",
        "events:ListRuleNamesByTarget",
        "scheduler:ListSchedules",
        "codedeploy:ListApplications",
        "inspector2:ListCoverage",
        "inspector2:ListFindings",
    }


def test_the_queue_and_the_log(recorded: list[Recorded], environments: Any) -> None:
    name = environments.outputs["function_names"]["value"]["staging"]
    function = boto3.client("lambda").get_function_configuration(FunctionName=name)
    role = function["Role"].rpartition("/")[2]
    policies = [boto3.client("iam").get_role_policy(RoleName=role, PolicyName=name) for name in ("queue", "lambda")]
    granted = {
        action for one in policies for statement in one["PolicyDocument"]["Statement"] for action in statement["Action"]
    }

    assert granted == LAMBDAS_OWN | {one.needed.action for one in recorded if one.needed.action.startswith("sqs:")}
