"""What AWS refuses is told in our words: what was asked, about what, and what to do; never boto3's text alone."""

import itertools

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, ReadTimeoutError

from ecr_deploy.aws import calls
from ecr_deploy.core.errors import Retry
from tests.harness.road import APP, Road, definition, pushed
from tests.harness.strict_ecs import Fault, StrictEcs

FOREVER = 1000
# operation: what its calls are about
SUBJECTS = {
    "ListClusters": "clusters",
    "ListServices": "cluster prod",
    "DescribeServices": "cluster prod",
    "DescribeTaskDefinition": "api",
    "RegisterTaskDefinition": "api",
    "UpdateService": "service api in cluster prod",
}
# fault: what is said of a call that it hits every time
SAID = {
    Fault.ACCESS_DENIED: "{call} is not allowed: ",
    Fault.INTERNAL: "{call} was refused: ServerException: ",
    Fault.CONNECTION_RESET: "{call} got no answer: ",
    Fault.MALFORMED: "{call} was answered without ",
}
# A register that seems to fail but went through is found when it is looked for.
TABLE = set(itertools.product(SAID, SUBJECTS)) - {(Fault.MALFORMED, "RegisterTaskDefinition")}


@pytest.mark.parametrize(
    ("fault", "operation"), [pytest.param(*row, id=f"{row[0].value}-{row[1]}") for row in sorted(TABLE, key=str)]
)
def test_a_call_that_fails_every_time(ecs: StrictEcs, road: Road, fault: Fault, operation: str) -> None:
    revision = ecs.register(definition("api", f"{APP}:v1"))
    ecs.add_service("prod", "api", revision)
    ecs.inject(operation, fault, times=FOREVER)

    result = road.push(pushed("v2"))

    assert result["outcome"] == "failed"
    before, after = SAID[fault].split("{call}")
    subject = revision if operation == "DescribeTaskDefinition" else SUBJECTS[operation]
    assert f"{before}{operation} of {subject}{after}" in result["reason"]
    assert "An error occurred (" not in result["reason"]
    assert road.image("prod", "api") == f"{APP}:v1" or operation == "UpdateService"


def test_a_role_that_may_not_be_passed_is_named_with_the_input_to_set(ecs: StrictEcs, road: Road) -> None:
    role = "arn:aws:iam::123456789012:role/task"
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1", taskRoleArn=role)))
    ecs.inject("RegisterTaskDefinition", Fault.PASS_ROLE_DENIED)

    result = road.push(pushed("v2"))

    assert result["reason"] == f"the role {role} may not be passed: add it to the module's input pass_role_arns"


def test_one_service_that_is_refused_stops_no_other(ecs: StrictEcs, road: Road) -> None:
    for name in ("api", "web"):
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")))
    ecs.inject("DescribeTaskDefinition", Fault.ACCESS_DENIED)

    result = road.push(pushed("v2"))

    assert result["outcome"] == "failed"
    assert sorted(service["outcome"] for service in result["services"]) == ["deployed", "failed"]
    assert sorted(road.image("prod", name) for name in ("api", "web")) == [f"{APP}:v1", f"{APP}:v2"]


def test_a_service_that_is_deleted_meanwhile_is_skipped(ecs: StrictEcs, road: Road) -> None:
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    ecs.inject("UpdateService", Fault.MISSING)

    result = road.push(pushed("v2"))

    assert (result["outcome"], result["reason"]) == ("skipped", "it was deleted meanwhile")


@pytest.mark.parametrize("controller", ["CODE_DEPLOY", "EXTERNAL"])
def test_a_service_that_others_roll_out_is_skipped(ecs: StrictEcs, road: Road, controller: str) -> None:
    revision = ecs.register(definition("api", f"{APP}:v1"))
    ecs.add_service("prod", "theirs", revision, deployment_controller=controller)
    ecs.add_service("prod", "ours", revision)

    result = road.push(pushed("v2"))

    assert result["outcome"] == "deployed"
    reasons = {service["service"]: service["reason"] for service in result["services"]}
    assert reasons == {
        "ours": None,
        "theirs": f"its deployment controller is {controller}, which deploys by itself",
    }
    assert road.image("prod", "theirs") == f"{APP}:v1"
    assert road.image("prod", "ours") == f"{APP}:v2"


def test_a_family_without_an_active_revision_starts_from_what_runs(ecs: StrictEcs, road: Road) -> None:
    revision = ecs.register(definition("api", f"{APP}:v1"))
    ecs.add_service("prod", "api", revision)
    ecs.deregister(revision)

    assert road.push(pushed("v2"))["outcome"] == "deployed"
    assert road.image("prod", "api") == f"{APP}:v2"


def refusal(code: str, message: str = "No.", status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "UpdateService",
    )


USER = "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: "
UPDATE = f"{USER}ecs:UpdateService on resource: s"


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        (
            f"{UPDATE} because no identity-based policy allows the action",
            (
                "the statement AllowUpdateServices of the role's policy, made from clusters, should allow it: "
                "apply the module"
            ),
        ),
        (
            f"{UPDATE} with an explicit deny in a service control policy",
            "a service control policy of the organization refuses it, which no input can change",
        ),
        (
            f"{UPDATE} because no service control policy allows the action",
            "a service control policy of the organization refuses it, which no input can change",
        ),
        (
            f"{UPDATE} because no permissions boundary allows the action",
            "the role's permissions boundary must allow it, too: widen permissions_boundary",
        ),
        (
            f"{USER}ecr:DescribeImages on resource: r because no resource-based policy allows the action",
            "the policy of that resource must allow the function's role",
        ),
        (
            f"{USER}kms:Decrypt on resource: k because no identity-based policy allows the kms:Decrypt action",
            "the policy of the key (kms_key_arn) must let the function's role use it",
        ),
        (
            f"{USER}dynamodb:PutItem on resource: t with an explicit deny in an identity-based policy",
            "a policy that somebody attached to the function's role denies it",
        ),
    ],
)
def test_a_refusal_names_what_mends_it(detail: str, said: str) -> None:
    explained = calls.translate(refusal("AccessDeniedException", detail), "UpdateService", "it")

    assert str(explained) == f"UpdateService of it is not allowed: {detail}; {said}"
    assert explained.kind == "denied"


def test_a_key_that_may_not_be_used_is_named() -> None:
    explained = calls.translate(refusal("KMS.AccessDeniedException", "The ciphertext refers to"), "Query", "it")

    assert str(explained).endswith("; the policy of the key (kms_key_arn) must let the function's role use it")


CONCURRENT = "Too many concurrent attempts to create a new revision of the specified family."


@pytest.mark.parametrize(
    ("error", "retry", "said"),
    [
        (refusal("AccessDeniedException"), Retry.NEVER, "UpdateService of it is not allowed: No."),
        (
            refusal("AccessDenied", status=403),
            Retry.NEVER,
            "UpdateService of it is not allowed: No.",
        ),
        (refusal("ThrottlingException"), Retry.LATER, "UpdateService of it was refused: ThrottlingException: No."),
        (refusal("RequestLimitExceeded"), Retry.LATER, "UpdateService of it was refused: RequestLimitExceeded: No."),
        (refusal("ServerException"), Retry.LATER, "UpdateService of it was refused: ServerException: No."),
        (refusal("Odd", status=503), Retry.LATER, "UpdateService of it was refused: Odd: No."),
        (
            refusal("ClientException", CONCURRENT),
            Retry.LATER,
            f"UpdateService of it was refused: ClientException: {CONCURRENT}",
        ),
        (refusal("ClientException"), Retry.NEVER, "UpdateService of it was refused: ClientException: No."),
        (ReadTimeoutError(endpoint_url="https://ecs"), Retry.LATER, "UpdateService of it got no answer: Read timeout"),
        (
            EndpointConnectionError(endpoint_url="https://ecs"),
            Retry.LATER,
            "UpdateService of it got no answer: Could not",
        ),
    ],
)
def test_errors_in_words(error: ClientError | BotoCoreError, retry: Retry, said: str) -> None:
    explained = calls.translate(error, "UpdateService", "it")

    assert str(explained).startswith(said)
    assert explained.retry is retry
    assert explained.operation == "UpdateService"
