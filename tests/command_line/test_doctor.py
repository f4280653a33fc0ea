"""The doctor: each check on a set-up that has what it looks for, and none of it on one that is well."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ecr_deploy.cli import checks_of_fleet, checks_of_setup
from ecr_deploy.core import settings
from tests.harness.answers import Answers
from tests.harness.command_line import FUNCTION, CommandLine, answer
from tests.harness.road import ACCOUNT, APP, REGION, definition

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:ecr-deploy.fifo"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
PUSHES = {"Name": "ecr-deploy", "State": "ENABLED", "EventPattern": '{"detail-type":["ECR Image Action"]}'}
NO_RECOVERY = {"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED"}}
UUID = "0b2cf8b8-6f5e-4a3e-9f43-2f0b8b6f7c11"
MAPPING = {
    "UUID": UUID,
    "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:ecr-deploy",
    "State": "Enabled",
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
}
ALLOWED = [
    *("ecs:List*", "ecs:Describe*", "ecs:RegisterTaskDefinition", "ecs:UpdateService"),
    *("ecr:DescribeImages", "dynamodb:BatchGetItem", "dynamodb:PutItem"),
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:SendMessage"),
]
TABLE = {
    "TableStatus": "ACTIVE",
    "KeySchema": [{"AttributeName": "target", "KeyType": "HASH"}, {"AttributeName": "item", "KeyType": "RANGE"}],
}
BREAKER = {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}}


@pytest.fixture
def well(line: CommandLine) -> CommandLine:
    """A set-up in which nothing is wrong."""
    for cluster, service in (("prod", "api"), ("prod", "web")):
        line.ecs.delete_service(cluster, service)
    arn = line.ecs.register({**definition("api", f"{APP}:v1"), "taskRoleArn": ROLE})
    line.ecs.add_service("prod", "api", arn, members=BREAKER)
    queue = {
        "QueueArn": QUEUE,
        "Policy": '{"Principal": {"Service": "events.amazonaws.com"}}',
        "VisibilityTimeout": "930",
        "RedrivePolicy": "{}",
        "KmsMasterKeyId": KEY,
    }
    statements = [
        {"Effect": "Allow", "Action": ALLOWED, "Resource": "*"},
        {"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": f"arn:aws:iam::{ACCOUNT}:role/*"},
    ]
    backups = {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"},
    }
    line.session.own |= {
        "lambda": Answers(
            "lambda",
            GetFunctionConfiguration=_configuration(reconcile=True),
            GetFunctionConcurrency={},
            ListEventSourceMappings={"EventSourceMappings": [MAPPING]},
        ),
        "sqs": Answers("sqs", GetQueueAttributes={"Attributes": queue}),
        "events": Answers(
            "events", ListRuleNamesByTarget={"RuleNames": ["ecr-deploy"]}, DescribeRule=PUSHES, DescribeEventBus={}
        ),
        "dynamodb": Answers(
            "dynamodb",
            DescribeTable={"Table": TABLE},
            DescribeContinuousBackups={"ContinuousBackupsDescription": backups},
        ),
        "kms": Answers(
            "kms",
            DescribeKey={"KeyMetadata": {"KeyId": KEY, "KeyState": "Enabled"}},
            GetKeyPolicy={"Policy": '{"Principal": {"Service": "events.amazonaws.com"}}'},
        ),
        "iam": Answers(
            "iam",
            ListRolePolicies={"PolicyNames": ["deploy"]},
            GetRolePolicy={
                "RoleName": "ecr-deploy",
                "PolicyName": "deploy",
                "PolicyDocument": json.dumps({"Statement": statements}),
            },
            ListAttachedRolePolicies={"AttachedPolicies": []},
        ),
    }
    return line


def _configuration(**inputs: Any) -> dict[str, Any]:
    return {
        "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:ecr-deploy",
        "Role": f"arn:aws:iam::{ACCOUNT}:role/ecr-deploy-{REGION}",
        "Timeout": 900,
        "Environment": {"Variables": {settings.VARIABLE: json.dumps({**FUNCTION, **inputs})}},
    }


def examine(line: CommandLine) -> dict[str, list[dict[str, Any]]]:
    """What each check found that is not well."""
    told = line.run("doctor", "-o", "json")
    found: dict[str, list[dict[str, Any]]] = {}
    for one in answer(told)["checks"]:
        if one["level"] != "ok":
            found.setdefault(one["check"], []).append(one)
    assert told.exit_code == any(one["level"] == "wrong" for those in found.values() for one in those)
    return found


def test_a_set_up_that_is_well(well: CommandLine) -> None:
    told = well.run("doctor")

    assert told.exit_code == 0, told.stdout
    checks = (*checks_of_setup.CHECKS, *checks_of_fleet.CHECKS)
    assert [row.split(":")[0] for row in told.stdout.splitlines()] == [
        f"ok       {check.__name__.replace('_', ' ')}" for check in checks
    ]


Break = Callable[[CommandLine], object]


def answers(service: str, operation: str, change: dict[str, Any], inside: str = "") -> Break:
    """Let a service answer otherwise: members of the answer are changed, or of the object `inside`."""

    def break_it(line: CommandLine) -> None:
        known = line.session.own[service].answers
        before = known[operation]
        known[operation] = {**before, inside: {**before[inside], **change}} if inside else {**before, **change}

    return break_it


def inputs(**values: Any) -> Break:
    """Give the function other inputs."""

    def break_it(line: CommandLine) -> None:
        line.session.own["lambda"].answers["GetFunctionConfiguration"] = _configuration(**{"reconcile": True, **values})

    return break_it


def service(name: str, *images: str, cluster: str = "prod", **options: Any) -> Break:
    """Add a service, which has a circuit breaker unless it says otherwise."""
    family = options.pop("family", name)

    def break_it(line: CommandLine) -> None:
        arn = line.ecs.register(definition(family, *images or (f"{APP}:v1",)))
        line.ecs.add_service(cluster, name, arn, **{"members": BREAKER, **options})

    return break_it


def tag(name: str) -> Break:
    return lambda line: line.registry.push(name)


def both(*breaks: Break) -> Break:
    return lambda line: [one(line) for one in breaks]


def reports(count: int) -> Break:
    """What the table has of other regions."""

    def break_it(line: CommandLine) -> None:
        line.session.own["dynamodb"].answers["Query"] = {"Items": [{}] * count}

    return break_it


def attached(actions: list[str]) -> Break:
    """Attach a policy to the role."""

    def break_it(line: CommandLine) -> None:
        arn, document = f"arn:aws:iam::{ACCOUNT}:policy/own", {"Effect": "Allow", "Action": actions, "Resource": "*"}
        line.session.own["iam"].answers |= {
            "ListAttachedRolePolicies": {"AttachedPolicies": [{"PolicyName": "own", "PolicyArn": arn}]},
            "GetPolicy": {"Policy": {"DefaultVersionId": "v3"}},
            "GetPolicyVersion": {"PolicyVersion": {"Document": json.dumps({"Statement": [document]})}},
        }

    return break_it


OTHER = APP._replace(account="210987654321")
ELSEWHERE = APP._replace(region="us-east-1")


@pytest.mark.parametrize(
    ("broken", "check", "level", "sentence", "mend"),
    [
        (
            answers("lambda", "GetFunctionConcurrency", {"ReservedConcurrentExecutions": 0}),
            *("function", "wrong", "its reserved concurrency is 0", "delete-function-concurrency"),
        ),
        (
            answers("lambda", "GetFunctionConfiguration", {"State": "Failed", "StateReason": "no subnet"}),
            *("function", "wrong", "ecr-deploy is Failed: no subnet", "terraform apply"),
        ),
        (
            answers("lambda", "GetFunctionConfiguration", {"LastUpdateStatus": "Failed"}),
            *("function", "wrong", "its last update failed", "terraform apply"),
        ),
        (inputs(dry_run=True), "settings", "warning", "dry_run is on", "dry_run = false"),
        (inputs(reconcile=False), "settings", "warning", "without a schedule", "reconcile_schedule = "),
        (
            answers("events", "ListRuleNamesByTarget", {"RuleNames": []}),
            *("rules", "wrong", "no rule of EventBridge sends pushes to the queue", "terraform apply"),
        ),
        (
            answers("events", "DescribeRule", {"State": "DISABLED"}),
            *("rules", "wrong", "the rule ecr-deploy is DISABLED", "aws events enable-rule --name ecr-deploy"),
        ),
        (
            answers("lambda", "ListEventSourceMappings", {"EventSourceMappings": []}),
            *("mapping", "wrong", "nothing hands the queue's messages to the function", "terraform apply"),
        ),
        (
            answers("lambda", "ListEventSourceMappings", {"EventSourceMappings": [{**MAPPING, "State": "Disabled"}]}),
            *("mapping", "wrong", "is Disabled", f"--uuid {UUID} --enabled"),
        ),
        (
            answers(
                "lambda", "ListEventSourceMappings", {"EventSourceMappings": [{**MAPPING, "FunctionResponseTypes": []}]}
            ),
            *("mapping", "wrong", "does not take batchItemFailures", "terraform apply"),
        ),
        (
            answers(
                "lambda",
                "ListEventSourceMappings",
                {"EventSourceMappings": [{**MAPPING, "LastProcessingResult": "PROBLEM: Function call failed"}]},
            ),
            *("mapping", "wrong", "PROBLEM: Function call failed", "ecr-deploy events --errors"),
        ),
        (
            answers("sqs", "GetQueueAttributes", {"Policy": "{}"}, "Attributes"),
            *("queue", "wrong", "does not let EventBridge send", "terraform apply"),
        ),
        (
            answers("sqs", "GetQueueAttributes", {"VisibilityTimeout": "30"}, "Attributes"),
            *("queue", "wrong", "messages come back after 30 s", "terraform apply"),
        ),
        (
            answers("sqs", "GetQueueAttributes", {"ApproximateNumberOfMessages": "7"}, "Attributes"),
            *("dead letters", "warning", "7 messages lie in the dead-letter queue", "ecr-deploy dead-letters list"),
        ),
        (
            answers("dynamodb", "DescribeTable", {"TableStatus": "DELETING"}, "Table"),
            *("table", "wrong", "the table ecr-deploy is DELETING", "terraform apply"),
        ),
        (
            answers("dynamodb", "DescribeTable", {"KeySchema": TABLE["KeySchema"][:1]}, "Table"),
            *("table", "wrong", "has the keys target instead of target, item", "terraform apply"),
        ),
        (
            answers("dynamodb", "DescribeContinuousBackups", NO_RECOVERY),
            *("table", "warning", "can't be restored to a point in time", "terraform apply"),
        ),
        (
            answers("kms", "DescribeKey", {"KeyState": "Disabled"}, "KeyMetadata"),
            *("key", "wrong", f"the key {KEY} is Disabled", "aws kms enable-key --key-id"),
        ),
        (
            answers("kms", "GetKeyPolicy", {"Policy": "{}"}),
            *("key", "wrong", "does not let events.amazonaws.com use it", "kms:GenerateDataKey"),
        ),
        (
            inputs(codedeploy=True),
            *("role", "wrong", "codedeploy:CreateDeployment, which the input codedeploy needs", "terraform apply"),
        ),
        (
            inputs(rules=[{"max_scan_severity": "LOW"}]),
            *("role", "wrong", "ecr:DescribeImageScanFindings, which the input rules[*].max_scan_severity needs"),
            "terraform apply",
        ),
        (
            both(inputs(rules=[{"after": {"region": "us-east-1", "clusters": ["prod"]}}]), reports(0)),
            *("stages", "warning", "wait for us-east-1, from which nothing", "#a-stage-in-another-region"),
        ),
        (
            answers("iam", "GetRolePolicy", {"PolicyDocument": '{"Statement": []}'}),
            *("passed roles", "wrong", f"may not pass {ROLE}, which prod/api runs with", "add it to pass_role_arns"),
        ),
        (inputs(clusters=["prod", "prodd"]), "clusters", "wrong", "there is no cluster prodd", "there are prod"),
        (inputs(rules=[{}, {"services": ["x"]}]), "services", "warning", "rules[1] reaches no service", "widen"),
        (
            inputs(rules=[{"repositories": ["x"]}]),
            *("uncovered images", "warning", f"no rule covers {ACCOUNT}/app, which prod/api", 'repositories = ["app"]'),
        ),
        (
            both(service("other", f"{OTHER}:v1"), inputs(rules=[{"registries": [ACCOUNT, "210987654321"]}])),
            *("registries", "warning", "of account 210987654321 run", "#another-accounts-registry"),
        ),
        (
            service("elsewhere", f"{ELSEWHERE}:v1"),
            *("registries", "warning", "images of the registry in us-east-1 run", "a rule in us-east-1"),
        ),
        (
            service("twin", f"{APP}:v1", "nginx", family="api"),
            *("shared families", "warning", "prod/api, prod/twin share the family api and differ", "a family for each"),
        ),
        (
            both(service("api", cluster="dev", family="api"), inputs(clusters=["prod"])),
            *("shared families", "warning", "the family api is run by dev/api, too", 'base_revision = "running"'),
        ),
        (
            service("bare", members={}),
            *("circuit breakers", "warning", "rolls a failed rollout back on prod/bare", "deployment_circuit_breaker"),
        ),
        (
            service("old", short_arn=True),
            *("short arns", "warning", "prod/old have ARNs from before 2021", "serviceLongArnFormat"),
        ),
        (
            service("odd", tags={"ecr-deploy:enabled": "maybe"}),
            *("tags", "wrong", "ecr-deploy:enabled = 'maybe'", "set its tag"),
        ),
        (
            service("blue", deployment_controller="CODE_DEPLOY"),
            *("controllers", "warning", "prod/blue: its deployment controller is CODE_DEPLOY", "codedeploy = true"),
        ),
        (
            both(tag("v3"), tag("v3-amd64"), tag("v3-arm64")),
            *("single architectures", "warning", "let app:v3-amd64 in", 'exclude_tags = ["*-amd64", "*-arm64"]'),
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_and_what_mends_it(  # noqa: PLR0913, PLR0917 - a row of the table
    well: CommandLine, broken: Break, check: str, level: str, sentence: str, mend: str
) -> None:
    broken(well)

    found = examine(well)[check]

    assert [(one["level"], sentence in one["text"], mend in one["mend"]) for one in found] == [(level, True, True)]


@pytest.mark.parametrize(
    "break_it",
    [
        both(inputs(express_mode=True), attached(["ecs:UpdateExpressGatewayService"])),
        both(inputs(rules=[{"after": {"region": "us-east-1", "clusters": ["prod"]}}]), reports(1)),
    ],
    ids=["a policy of its own", "a region that reports"],
)
def test_what_is_not_wrong(well: CommandLine, break_it: Break) -> None:
    break_it(well)

    found = examine(well)

    assert not found.keys() & {"role", "stages"}


def test_what_may_not_be_read_is_unknown(well: CommandLine) -> None:
    well.session.own["iam"] = Answers("iam")

    found = examine(well)

    assert [(check, one["level"]) for check, those in found.items() for one in those] == [
        ("role", "unknown"),
        ("passed roles", "unknown"),
    ]
    assert "ListRolePolicies" in found["role"][0]["text"]


def test_before_there_is_a_function_it_looks_at_the_fleet(well: CommandLine) -> None:
    well.session.own["lambda"] = None
    well.registry.push("v3")
    well.registry.push("v3-amd64")

    told = well.run("doctor", "--local")

    assert told.exit_code == 0
    assert [row.split(":")[0] for row in told.stdout.splitlines() if row.startswith("warning")] == [
        "warning  single architectures"
    ]


def test_without_the_function_nothing_is_examined(well: CommandLine) -> None:
    well.session.own["lambda"] = well.function

    told = well.run("doctor", "--function", "another")

    assert told.exit_code == 2
    assert told.stderr.startswith("There is no function another in region eu-west-1")
