"""CodeDeploy on moto, which is not our double."""

import json

import boto3
from moto import mock_aws

from tests.harness.road import APP, Road, definition, pushed
from tests.harness.strict_codedeploy import StrictCodeDeploy
from tests.harness.strict_ecs import StrictEcs


def test_a_deployment(ecs: StrictEcs) -> None:
    """boto3's own client takes what is asked, and gives what is read."""
    codedeploy = StrictCodeDeploy(ecs)
    codedeploy.add_service("shop", ecs.register(definition("shop", f"{APP}:v1")))
    with mock_aws():
        client = boto3.client("codedeploy")
        client.create_application(applicationName="functions", computePlatform="Lambda")
        client.create_application(applicationName="shop", computePlatform="ECS")
        client.create_deployment_group(
            applicationName="shop",
            deploymentGroupName="blue-green",
            serviceRoleArn="arn:aws:iam::123456789012:role/codedeploy",
            ecsServices=[{"clusterName": "prod", "serviceName": "shop"}],
        )
        road = Road(ecs, inputs={"codedeploy": True})

        assert road.push(pushed("v2"))["outcome"] == "deployed"
        assert road.push(pushed("v2"))["outcome"] == "unchanged"

        [identifier] = client.list_deployments(
            applicationName="shop", deploymentGroupName="blue-green", includeOnlyStatuses=["Created"]
        )["deployments"]
        revision = client.get_deployment(deploymentId=identifier)["deploymentInfo"]["revision"]
    [resource] = json.loads(revision["appSpecContent"]["content"])["Resources"]
    assert resource["TargetService"]["Properties"]["TaskDefinition"] == ecs.revisions("shop")[-1]
