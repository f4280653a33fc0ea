"""Each alarm, as Terraform plans it, fires by the condition it is for; the dashboard shows metrics that there are.

moto keeps alarms, but does not evaluate them: what the function writes into its log is held against them here.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ecr_deploy.core.outcomes import Outcome
from ecr_deploy.core.rollouts import State
from tests.harness.cloudwatch import Alarm, Metric, log_lines, metrics, unknown_words, values
from tests.harness.road import APP, Queues, Registry, Road, definition, pushed, queues
from tests.harness.strict_ecs import FakeClock, Fault, StrictEcs
from tests.harness.terraform import Root, copy_module
from tests.unit.test_rollouts import FAILED, changed

TICK = {"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
TIMEOUT = 300
# 5, 10, 20, 40 and 80 seconds before the second to the sixth try.
SECONDS_BETWEEN_TRIES = sum(5 * 2**number for number in range(5))
# The topic is made in the same apply, so that its ARN is unknown at plan.
ROOT = """
module "ecr_deploy" {
  source = "./.."

  reconcile_schedule = "rate(15 minutes)"
  alarms             = { topic_arns = [aws_sns_topic.pager.arn] }
  dashboard          = true
}

resource "aws_sns_topic" "pager" {
  name = "pager"
}
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What Terraform plans, by address."""
    directory = tmp_path_factory.mktemp("alarms")
    copy_module(directory)
    root = directory / "root"
    root.mkdir()
    (root / "main.tf").write_text(ROOT)
    [module] = Root(root).plan()["planned_values"]["root_module"]["child_modules"]
    return {one["address"].removeprefix("module.ecr_deploy."): one["values"] for one in module["resources"]}


def alarm(planned: dict[str, dict[str, Any]], name: str) -> Alarm:
    made = planned[f'aws_cloudwatch_metric_alarm.this["{name}"]']
    return Alarm(
        Metric(made["namespace"], made["metric_name"], frozenset(made["dimensions"].items())),
        made["statistic"],
        made["comparison_operator"],
        made["threshold"],
        made["evaluation_periods"],
        made["treat_missing_data"],
    )


def of_queue(planned: dict[str, dict[str, Any]], queue: str, name: str) -> Metric:
    """A metric of one of the module's queues.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    return Metric("AWS/SQS", name, frozenset({("QueueName", planned[f"aws_sqs_queue.{queue}[0]"]["name"])}))


@pytest.fixture
def aws_queues() -> Iterator[Queues]:
    made = queues()
    yield made
    for url in (made.url, made.dead_letter_url):
        made.client.delete_queue(QueueUrl=url)


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch, aws_queues: Queues, planned: dict[str, dict[str, Any]]) -> Road:
    """The product in the planned function, with a service that runs v1."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", planned["aws_lambda_function.this[0]"]["function_name"])
    ecs = StrictEcs(clock=FakeClock())
    ecs.add_service("prod", "api", ecs.register(definition("api", f"{APP}:v1")))
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    return Road(ecs, queues=aws_queues, inputs={"reconcile": True}, clients={"ecr": registry})


def test_every_alarm_is_tested(planned: dict[str, dict[str, Any]]) -> None:
    alarms = {address for address in planned if address.startswith("aws_cloudwatch_metric_alarm.")}
    tested = set(re.findall(r'alarm\(planned, "([\w-]+)"\)', Path(__file__).read_text()))
    assert alarms == {f'aws_cloudwatch_metric_alarm.this["{name}"]' for name in tested}


def test_failures(planned: dict[str, dict[str, Any]], road: Road) -> None:
    failures = alarm(planned, "failures")
    assert failures.state([[]]) == "OK"

    with log_lines() as good:
        road.push(pushed("v2"))
    assert failures.state([values(good, failures.metric)]) == "OK"

    road.ecs.inject("UpdateService", Fault.ACCESS_DENIED)
    with log_lines() as bad:
        road.push(pushed("v3", time="2026-11-23T07:00:00Z"))
    assert failures.state([values([*good, *bad], failures.metric)]) == "ALARM"


def test_rollouts(planned: dict[str, dict[str, Any]], road: Road) -> None:
    rollouts = alarm(planned, "rollouts")
    with log_lines() as good:
        road.deliver(pushed("v2"))
        road.ecs.end_deployments()
        road.deliver(changed())
        # What somebody asks for is no alarm.
        road.request(rollback={"cluster": "prod", "service": "api"})
    assert rollouts.state([values(good, rollouts.metric)]) == "OK"

    with log_lines() as bad:
        road.deliver(pushed("v3", time="2026-11-23T07:00:00Z"))
        road.ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL", reason="circuit breaker")
        road.deliver(changed(FAILED))
    assert rollouts.state([values(bad, rollouts.metric)]) == "ALARM"


def test_waiting(planned: dict[str, dict[str, Any]], road: Road) -> None:
    waiting = alarm(planned, "waiting")
    road = Road(road.ecs, road.queues, {**road.inputs, "rules": [{"approval": {}}]}, clients=road.clients)
    now = datetime.fromtimestamp(road.ecs.clock.time(), UTC)
    road.clients["ecr"].push("v2", time=now.isoformat())
    road.deliver(pushed("v2", time=now.isoformat()))

    for hours, state in ((23, "OK"), (2, "ALARM")):
        road.ecs.clock.sleep(hours * 3600)
        with log_lines() as run:
            road.deliver(TICK)
        assert waiting.state([values(run, waiting.metric)]) == state

    road.request(approve={"repository": "app", "tag": "v2"})
    with log_lines() as run:
        road.deliver(TICK)
    assert waiting.state([values(run, waiting.metric)]) == "OK"


def test_a_turn_that_fails_is_a_failure_too(planned: dict[str, dict[str, Any]], road: Road) -> None:
    failures = alarm(planned, "failures")
    road.ecs.inject("ListServices", Fault.ACCESS_DENIED)
    with log_lines() as bad:
        road.deliver(TICK)
    assert failures.state([values(bad, failures.metric)]) == "ALARM"


def test_no_reconciliation(planned: dict[str, dict[str, Any]], road: Road) -> None:
    no_reconciliation = alarm(planned, "no-reconciliation")
    turns = no_reconciliation.periods
    assert no_reconciliation.state([[]] * turns) == "ALARM"

    road.ecs.inject("ListServices", Fault.ACCESS_DENIED)
    with log_lines() as bad:
        road.deliver(TICK)
    failed = values(bad, no_reconciliation.metric)
    assert no_reconciliation.state([failed] * turns) == "ALARM"

    with log_lines() as good:
        road.deliver(TICK)
    succeeded = values(good, no_reconciliation.metric)
    assert no_reconciliation.state([succeeded, *[failed] * (turns - 1)]) == "OK"


def test_dead_letters(planned: dict[str, dict[str, Any]], aws_queues: Queues, road: Road) -> None:
    dead_letters = alarm(planned, "dead-letters")
    assert dead_letters.metric == of_queue(planned, "dead_letter", "ApproximateNumberOfMessagesVisible")

    road.deliver(pushed("v2"))
    assert dead_letters.state([[len(aws_queues.dead_letters())]]) == "OK"

    road.deliver("no event")
    assert dead_letters.state([[len(aws_queues.dead_letters())]]) == "ALARM"


def test_undelivered(planned: dict[str, dict[str, Any]]) -> None:
    undelivered = alarm(planned, "undelivered")
    assert undelivered.metric == of_queue(planned, "undelivered", "ApproximateNumberOfMessagesVisible")
    assert [undelivered.state([[messages]]) for messages in (0, 1)] == ["OK", "ALARM"]


def test_oldest_message(planned: dict[str, dict[str, Any]]) -> None:
    oldest = alarm(planned, "oldest-message")
    assert oldest.metric == of_queue(planned, "this", "ApproximateAgeOfOldestMessage")
    assert planned["aws_lambda_function.this[0]"]["timeout"] == TIMEOUT

    # Behind a batch that takes all of its time, with all its tries.
    assert oldest.state([[2 * TIMEOUT + SECONDS_BETWEEN_TRIES]]) == "OK"
    # Nobody takes it.
    assert oldest.state([[60 * 60]]) == "ALARM"


@pytest.fixture
def widgets(planned: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    body = json.loads(planned["aws_cloudwatch_dashboard.this[0]"]["dashboard_body"])
    return [widget["properties"] for widget in body["widgets"]]


def test_the_dashboards_queries_ask_for_what_the_log_has(road: Road, widgets: list[dict[str, Any]]) -> None:
    with log_lines() as log:
        road.push(pushed("v2"))
    queries = [widget["query"] for widget in widgets if "query" in widget]
    assert len(queries) == 2
    for query in queries:
        source, _, rest = query.partition("\n")
        assert source == "SOURCE '/aws/lambda/ecr-deploy'"
        assert unknown_words(rest, log) == set()


def test_the_dashboards_metrics_are_those_that_there_are(
    planned: dict[str, dict[str, Any]], road: Road, widgets: list[dict[str, Any]]
) -> None:
    road.ecs.inject("UpdateService", Fault.THROTTLING)
    with log_lines() as log:
        road.push(pushed("v2"))
        road.ecs.end_deployments()
        road.deliver(TICK)
    emitted = {(one.namespace, one.name, frozenset(dict(one.dimensions))) for one in metrics(log)}
    shown = [_metric(line) for widget in widgets for line in widget.get("metrics", ())]
    queue_names = {
        dict(of_queue(planned, queue, "").dimensions)["QueueName"] for queue in ("this", "dead_letter", "undelivered")
    }
    outcomes: dict[str, list[str]] = {}

    for metric in shown:
        dimensions = dict(metric.dimensions)
        if metric.namespace == "AWS/SQS":
            queue_names.remove(dimensions["QueueName"])
        else:
            assert (metric.namespace, metric.name, frozenset(dimensions)) in emitted
            assert dimensions.pop("FunctionName") == planned["aws_lambda_function.this[0]"]["function_name"]
            outcomes.setdefault(metric.name, []).extend(dimensions.values())

    assert not queue_names
    assert set(outcomes.pop("Pushes")) == set(Outcome)
    assert set(outcomes.pop("Rollouts")) == set(State) - {State.STARTED}
    assert {"PushToUpdateSeconds", "PushToLiveSeconds"} <= outcomes.keys()


def _metric(line: list[Any]) -> Metric:
    """A line of a widget: namespace, name, names and values of dimensions in turn, and how to draw it.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    namespace, name, *dimensions = [part for part in line if isinstance(part, str)]
    return Metric(namespace, name, frozenset(zip(dimensions[::2], dimensions[1::2], strict=True)))
