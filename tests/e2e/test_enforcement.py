"""The road of a push while AWS asks the policies of whoever calls: the function gets by with those of its role."""

import json
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.harness import policy
from tests.harness.event_source import EventSourceMapping
from tests.harness.fleet import Service, running_services
from tests.harness.lambda_runtime import Function
from tests.harness.registry import push
from tests.harness.terraform import ZIP

pytestmark = pytest.mark.usefixtures("_enforced")


@pytest.fixture(scope="module")
def name(environments: Any) -> str:
    """The function of staging."""
    return str(environments.outputs["function_names"]["value"]["staging"])


@pytest.fixture
def _enforced(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let moto check every caller; this process may do anything."""
    del name
    iam = boto3.client("iam")
    iam.create_user(UserName="tests")
    document = json.dumps({"Version": "2012-10-17", "Statement": [policy.EVERYTHING]})
    iam.put_user_policy(UserName="tests", PolicyName="everything", PolicyDocument=document)
    key = iam.create_access_key(UserName="tests")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    _let_pass(0)
    yield
    _let_pass(float("inf"))
    iam.delete_access_key(UserName="tests", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="tests", PolicyName="everything")
    iam.delete_user(UserName="tests")


def _let_pass(calls: float) -> None:
    """Let moto check nobody for so many calls."""
    url, headers = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    with urllib.request.urlopen(urllib.request.Request(url, str(calls).encode(), headers)) as answer:  # noqa: S310
        assert answer.status == 200


def test_a_push_is_deployed(environments: Any, name: str) -> None:
    with Function(name, ZIP) as function:
        push(environments.outputs["repository"]["value"], "main-enforced")
        EventSourceMapping(function).drain()

        assert [line for line in function.logs if line.get("level") not in (None, "INFO")] == []
    assert running_services()[Service("shop-staging", "shop")].images["shop"].endswith("/shop:main-enforced")


def test_the_role_reaches_no_cluster_but_its_own(name: str) -> None:
    role = boto3.client("lambda").get_function_configuration(FunctionName=name)["Role"]
    session = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    ecs = boto3.Session(*(session[name] for name in names)).client("ecs")

    ecs.update_service(cluster="shop-staging", service="shop")

    for call in (
        lambda: ecs.update_service(cluster="shop-production", service="shop"),
        ecs.list_clusters,
        lambda: ecs.delete_service(cluster="shop-staging", service="shop"),
        lambda: ecs.run_task(cluster="shop-staging", taskDefinition="shop-staging"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
