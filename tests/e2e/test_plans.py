"""The module in other people's Terraform: what a plan says, and what it refuses, with the real provider."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.events.models import EventPattern

from ecr_deploy.core.rules import matches
from tests.harness.terraform import Root, copy_module

pytestmark = pytest.mark.usefixtures("aws")

NAME = "plans"
LONGEST_NAME = "a-name-of-48-characters-which-are-all-it-may-hav"
# https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html
LONGEST = {"aws_iam_role": 64, "aws_cloudwatch_event_rule": 64, "aws_lambda_function": 64, "aws_sqs_queue": 80}
PATTERN_LIMIT = 2048
EVENTS = Path(__file__).parents[1] / "events" / "deployments"
UNKNOWN = {
    "clusters": ["prod-*", "staging"],
    "repositories": ["app"],
    "semver": "^1",
    "enabled_tag_key": "deploy",
    "subnet_ids": ["subnet-1"],
    "security_group_ids": ["sg-1"],
    "reconcile_schedule": "rate(15 minutes)",
    "change_calendars": ["nights"],
    "alarms": {"topic_arns": ["arn:aws:sns:eu-west-1:123456789012:pager"]},
    "notifications": {"topic_arns": ["arn:aws:sns:eu-west-1:123456789012:people"]},
    "kms_key_arn": "arn:aws:kms:eu-west-1:123456789012:key/1",
    "keep_revisions": 5,
    "image_parameter_prefix": "/images",
    "pass_role_arns": ["arn:aws:iam::123456789012:role/web"],
    "permissions_boundary": "arn:aws:iam::123456789012:policy/boundary",
    "tags": {"team": "platform"},
}


def changes(plan: dict[str, Any], *actions: str) -> set[str]:
    """The addresses of the resources within the module that a plan does this to."""
    return {
        re.sub(r"^module\.\w+(\[[^]]+\])?\.", "", one["address"])
        for one in plan["resource_changes"]
        if one["address"].startswith("module.") and set(actions) & set(one["change"]["actions"])
    }


def planned(plan: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The attributes of all resources of a type, as far as they are known."""
    return [one["change"]["after"] for one in plan["resource_changes"] if one["type"] == kind]


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """Nothing applied yet."""
    return Root(copy_module(tmp_path_factory.mktemp("new")) / "plans")


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """One instance, with nothing but defaults."""
    root = Root(copy_module(tmp_path_factory.mktemp("applied")) / "plans")
    root.apply(inputs={NAME: {}})
    return root


def test_a_change_to_what_the_module_depends_on_replaces_nothing(applied: Root) -> None:
    plan = applied.plan(inputs={NAME: {}}, team="two")

    assert [one["change"]["actions"] for one in plan["resource_changes"] if one["type"] == "aws_ecs_cluster"] == [
        ["update"]
    ]
    # What is read late is known after apply, and is no more than an update.
    assert "aws_cloudwatch_event_rule.this[0]" in changes(plan, "update")
    assert changes(plan, "create", "delete") == set()


@pytest.mark.parametrize(
    ("inputs", "created"),
    [
        ({"dry_run": True}, set()),
        ({"codedeploy": True}, {"rule.other", "target.queue"}),
        ({"reconcile_schedule": "rate(1 hour)"}, set()),
    ],
    ids=["dry_run", "codedeploy", "reconcile_schedule"],
)
def test_a_toggle_moves_nothing_else(applied: Root, inputs: dict[str, Any], created: set[str]) -> None:
    plan = applied.plan(inputs={NAME: inputs})

    assert changes(plan, "create") == {f'aws_cloudwatch_event_{name}["codedeploy"]' for name in created}
    assert changes(plan, "delete") == ({"aws_iam_role_policy.deploy[0]"} if "dry_run" in inputs else set())


def test_switched_off_it_leaves_nothing(applied: Root) -> None:
    plan = applied.plan(inputs={NAME: {"enabled": False}})

    everything = changes(plan, "create", "update", "delete", "no-op")
    assert changes(plan, "delete") == everything
    assert len(everything) > 15


def test_what_is_unknown_at_plan(new: Root) -> None:
    plan = new.plan(inputs={}, unknown=UNKNOWN)

    assert len(planned(plan, "aws_cloudwatch_metric_alarm")) == 7
    assert len(planned(plan, "aws_lambda_function")) == 1


def test_names_at_their_longest_and_instances_side_by_side(new: Root) -> None:
    instances = {LONGEST_NAME: {"codedeploy": True, "alarms": {}}, "other": {"alarms": {}}}

    plan = new.plan(inputs=instances)

    for kind, most in LONGEST.items():
        # A role's name ends with the region, which is known once the log group is there.
        unknown = f"{LONGEST_NAME}-ap-southeast-1"
        names = [str(one.get("name") or one.get("function_name") or unknown) for one in planned(plan, kind)]
        assert max(map(len, names)) <= most
        assert kind == "aws_iam_role" or len(set(names)) == len(names) >= len(instances)


@pytest.mark.parametrize(
    "clusters", [["*"], ["prod", "staging-*", "[ab]?"], [f"cluster-of-18-ch-{n:02}" for n in range(30)]]
)
def test_no_pattern_is_too_long(applied: Root, clusters: list[str]) -> None:
    plan = applied.plan(inputs={NAME: {"clusters": clusters, "keep_revisions": 5}})

    rules = {one["name"]: one.get("event_pattern") for one in planned(plan, "aws_cloudwatch_event_rule")}
    patterns = [pattern for pattern in rules.values() if pattern]
    assert {name for name, pattern in rules.items() if not pattern} == {f"{NAME}-schedule"}
    assert max(map(len, patterns)) <= PATTERN_LIMIT
    assert [pattern for pattern in patterns if "wildcard" in pattern] == []
    ends = EventPattern.load(rules[f"{NAME}-deployments"])
    reached = [name for name in ("prod", "staging-1", "a1", "cluster-of-18-ch-07") if matches(name, clusters)]
    assert reached
    assert [end for name in reached for end in ends_in(name) if not ends.matches_event(end)] == []


def ends_in(cluster: str) -> list[Any]:
    """The events of a deployment's end in a cluster: of a service, and of one whose ARN does not name the cluster."""
    event = json.loads((EVENTS / "completed.json").read_text())
    arn = event["resources"][0].rpartition(":service/")[0]
    short = {**event, "resources": [f"{arn}:service/api"]}
    short["detail"] = {**event["detail"], "clusterArn": f"{arn}:cluster/{cluster}"}
    return [{**event, "resources": [f"{arn}:service/{cluster}/api"]}, short]


@pytest.mark.parametrize(
    ("inputs", "messages"),
    [
        (
            {"rules": [{"tag": ["v*"], "cluster": ["prod"]}]},
            [
                "rules[0] has no field cluster; it may have after, approval, change_calendars, clusters, ",
                "rules[0] has no field tag; it",
            ],
        ),
        ({"alarms": {"topics": []}}, ["alarms has no field topics; it may have topic_arns, waiting_hours."]),
        ({"rules": [None]}, ["rules[0] is null, but must be an object: write its fields in braces, or {} for every"]),
        ({"rules": {"tags": ["v*"]}}, ["rules must be a list of objects: write [{ ... }]."]),
        ({"rules": [{}, {"tags": "v*"}]}, ['rules[1].tags is "v*", but must be a list(string).']),
        ({"rules": [{"tags": [1]}]}, ["rules[0].tags is [1], but must be a list(string)."]),
        ({"rules": [{"include_prereleases": "yes"}]}, ['rules[0].include_prereleases is "yes", but must be a bool.']),
        ({"rules": [{"minimum_image_age": "5"}]}, ['rules[0].minimum_image_age is "5", but must be a number.']),
        ({"rules": [{"semver": ">1 <"}]}, ['rules[0].semver is ">1 <", which is no range of semantic versions: write']),
        ({"rules": [{"registries": [123]}]}, ["rules[0].registries holds 123, which is no account id: write its 12"]),
        ({"rules": [{"tags": ["a b"]}]}, ['rules[0].tags holds "a b", which is no glob of image tags: write letters']),
        ({"alarms": {"topic_arns": ["pager"]}}, ['alarms.topic_arns holds "pager", which is no ARN of a standard']),
        ({"alarms": {"topic_arns": "pager"}}, ['alarms.topic_arns is "pager", but must be a list(string).']),
        ({"alarms": {"waiting_hours": 0}}, ["alarms.waiting_hours is 0, but must be a whole number of hours from 1"]),
        ({"notifications": {"topics": []}}, ["notifications has no field topics; it may have chat_topic_arns, topic"]),
        ({"notifications": {"topic_arns": "a"}}, ['notifications.topic_arns is "a", but must be a list(string).']),
        ({"notifications": {"topic_arns": ["a"]}}, ['notifications.topic_arns holds "a", which is no ARN of a stan']),
        ({"notifications": "a"}, ['notifications is "a", but must be an object: write']),
        ({"alarms": "pager"}, ['alarms is "pager", but must be an object: write']),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_what_a_plan_refuses_it_says(new: Root, inputs: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        new.plan(inputs={NAME: inputs})

    text = " ".join(re.sub(r"[│╷╵]", "", failed.value.stderr).split())
    for message in messages:
        assert message in text


@pytest.fixture(scope="module")
def plan_check(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_module(tmp_path_factory.mktemp("plan-check")) / "plan-check"


def test_an_adopters_own_tests_with_the_mocks_that_the_module_ships(plan_check: Path) -> None:
    for command in (["init", "-backend=false", "-input=false"], ["test", "-no-color"]):
        ran = subprocess.run(["terraform", *command], cwd=plan_check, capture_output=True, text=True, check=False)
        assert not ran.returncode, ran.stdout + ran.stderr


def test_an_adopters_own_check_of_a_plan(plan_check: Path) -> None:
    plan = Root(plan_check).plan()
    good = check_plan(plan_check, plan)

    assert good.returncode == 0
    assert "The role may newly use ecs:UpdateService.\n" in good.stdout
    for one in plan["resource_changes"]:
        one["change"]["actions"] = ["delete", "create"] if one["type"] == "aws_iam_role" else ["no-op"]
    bad = check_plan(plan_check, plan)
    assert bad.returncode == 1
    assert bad.stderr == "module.ecr_deploy.aws_iam_role.this[0] would be destroyed or replaced.\n"


def check_plan(directory: Path, plan: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "check_plan.py"]
    return subprocess.run(command, cwd=directory, input=json.dumps(plan), capture_output=True, text=True, check=False)


def test_an_alias_of_the_provider(tmp_path: Path) -> None:
    """All of an instance is in the region of the provider that it is given."""
    root = Root(copy_module(tmp_path) / "plans")
    try:
        root.apply(inputs={}, elsewhere=True)

        assert root.unexpected_changes() == []
        assert boto3.client("iam").get_role(RoleName="elsewhere-us-east-1")
        function = boto3.client("lambda", region_name="us-east-1").get_function_configuration(FunctionName="elsewhere")
        assert function["FunctionArn"].split(":")[3] == "us-east-1"
        table = boto3.client("dynamodb", region_name="us-east-1").describe_table(TableName="elsewhere")["Table"]
        assert table["TableArn"].split(":")[3] == "us-east-1"
    finally:
        root.destroy()
