"""What the documentation says is so: its tables, its links, its figures, its messages, its answers."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import hcl2
import pytest

from docs.generate import generated
from ecr_deploy.core.outcomes import Outcome
from ecr_deploy.core.rollouts import State
from tests.harness.chat import draw
from tests.harness.cloudwatch import log_lines, metrics, unknown_words
from tests.harness.documentation import PAGES, ROOT, SOURCE, Block, blocks
from tests.harness.road import APP, Queues, Registry, Road, client, definition, pushed
from tests.harness.strict_ecs import Fault, StrictEcs
from tests.unit.test_rollouts import FAILED, LATER, changed

README = (ROOT / "README.md").read_text()
# Those that have a link to check, beside the documentation itself.
WITH_LINKS = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/decisions/*.md"))]
LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#]*)#?(?P<anchor>[^)]*)\)")
ACTION = re.compile(
    r"\b(?:ecr|ecs|events|iam|kms|logs|s3|scheduler|sns|sqs|ssm|inspector2|codedeploy|cloudwatch):[A-Z]\w+"
)
TIMES = "\N{MULTIPLICATION SIGN}"
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_what_make_docs_writes(page: Path) -> None:
    assert generated(page.read_text()) == page.read_text()


@pytest.mark.parametrize("page", WITH_LINKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = [(page.parent / match["file"] if match["file"] else page, match["anchor"]) for match in _links(page)]
    assert [str(file) for file, _ in links if not file.exists()] == []
    assert [f"{file}#{anchor}" for file, anchor in links if anchor and anchor not in _anchors(file)] == []


def _links(page: Path) -> Iterator[re.Match[str]]:
    return LINK.finditer(page.read_text())


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_contributing_points_to_files_that_are_there() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("## Where things are")[2]
    for path in re.findall(r"`([\w./-]+(?:/|\.\w+))`", table):
        assert (ROOT / path).exists() or (ROOT / "lambda" / "ecr_deploy" / path).exists(), path


def test_every_end_to_end_test_is_in_a_part() -> None:
    parts = re.findall(r"^E2E_[a-z]+ := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    files = [path.stem.removeprefix("test_") for path in (ROOT / "tests" / "e2e").glob("test_*.py")]
    assert sorted(" ".join(parts).split()) == sorted(files)


def test_no_block_is_in_a_language_that_nobody_checks() -> None:
    assert {block.language for block in blocks()} == {"hcl", "shell", "json", "logs-insights", "mermaid"}


def test_the_picture_of_a_push_has_the_states_that_there_are() -> None:
    [picture] = blocks("mermaid")
    states = set(re.findall(r"\b[a-z_]+(?= -->)|(?<=--> )[a-z_]+", picture.text))
    known = {*map(str, Outcome), *map(str, State)}
    assert {state.replace("_", "-") for state in states} <= known
    assert {str(Outcome.WAITING), str(Outcome.DEPLOYED), str(Outcome.SUPERSEDED), str(Outcome.SKIPPED)} <= states


def test_rules_have_only_fields_that_there_are() -> None:
    """A plan would refuse any other, but the blocks are only validated."""
    options = hcl2.SerializationOptions(strip_string_quotes=True)
    blocks_of_locals = hcl2.loads((ROOT / "validation.tf").read_text(), serialization_options=options)["locals"]
    [known] = (one["fields"]["rules[*]"].keys() for one in blocks_of_locals if "fields" in one)
    for block in blocks("hcl"):
        for module in hcl2.loads(block.text).get("module", []):
            for body in module.values():
                used = {field for rule in body.get("rules", []) for field in rule}
                assert used <= known, block.place


def test_every_module_in_a_block_has_the_placeholder_for_its_source() -> None:
    for block in blocks("hcl"):
        modules = hcl2.loads(block.text).get("module", [])
        assert len(SOURCE.findall(block.text)) == len(modules), block.place


def test_outcomes_are_told_in_their_order() -> None:
    table = README.partition("| Outcome | Meaning |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(Outcome)


def test_costs_are_what_their_arithmetic_gives() -> None:
    sums = re.findall(rf"([\d,.$+ {TIMES}÷]+) = \$(\d+(?:\.\d+)?)", (ROOT / "docs" / "costs.md").read_text())
    assert len(sums) > 5
    for terms, result in sums:
        assert f"{_calculate(terms):.{len(result.partition('.')[2])}f}" == result, terms


def _calculate(terms: str) -> float:
    total = 0.0
    for term in re.sub(r"[,$ ]", "", terms).split("+"):
        product = 1.0
        for operator, number in re.findall(rf"(^|[{TIMES}÷])([\d.]+)", term):
            product = product / float(number) if operator == "÷" else product * float(number)
        total += product
    return total


def test_security_names_every_permission_of_the_role() -> None:
    # What an equals sign follows is the key of a condition.
    granted = set(re.findall(rf'"({ACTION.pattern})"(?! =)', (ROOT / "iam.tf").read_text()))
    page = (ROOT / "docs" / "security.md").read_text().partition("## Who can make it deploy")[0]
    assert set(ACTION.findall(page)) == granted


@pytest.mark.parametrize("page", ["README.md", "docs/questions.md"])
def test_messages_are_the_ones_that_the_product_has(page: str) -> None:
    told = re.findall(r"^(?:\*\*`.*?\n\n|\| `[^|]*…[^|]*\|)", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    quoted = [message for one in told for message in re.findall(r"`([^`]+)`", one)]
    assert len(quoted) > 2
    product = _source()
    for message in quoted:
        for fragment in re.split(r"…|rules\[0\]|ecr-deploy:\w+", message):
            assert _squeeze(fragment) in product, f"{message}: {fragment}"


def _source() -> str:
    """All texts of the product, without what may stand inside of a message: line ends, quotes, and prefixes."""
    files = [*(ROOT / "lambda" / "ecr_deploy").rglob("*.py"), *ROOT.glob("*.tf")]
    return _squeeze(" ".join(re.sub(r'"\s*\n\s*f?"', "", file.read_text()) for file in files))


def _squeeze(text: str) -> str:
    return " ".join(text.split()).strip(" :.;,")


@pytest.fixture
def road(ecs: StrictEcs) -> Road:
    """What the answers in the documentation are about: a service whose revision is the 41st of its family."""
    for number in range(41):
        arn = ecs.register({**definition("api"), "containerDefinitions": [_container(f"v{number // 40}")]})
    ecs.add_service("prod", "api", arn)
    return Road(ecs, registry=None)


def _container(tag: str) -> dict[str, Any]:
    return {"name": "api", "image": f"{APP}:{tag}", "memory": 128}


@pytest.mark.usefixtures("moto")
def test_answer_of_a_dry_run(road: Road) -> None:
    request, expected = _question_and_answer("README.md")
    ecr = client("ecr")
    ecr.create_repository(repositoryName="app")
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "layers": []})
    image = ecr.put_image(repositoryName="app", imageTag="v2", imageManifest=manifest)["image"]
    answer = road.request(**request)
    expected["pushes"][0]["digest"] = image["imageId"]["imageDigest"]
    assert answer == expected


@pytest.mark.usefixtures("moto")
def test_answer_of_an_explanation(ecs: StrictEcs, road: Road) -> None:
    request, expected = _question_and_answer("docs/how-to.md")
    web = ecs.register(definition("web", f"{APP}:v1"))
    ecs.add_service("prod", "web", web, tags={"ecr-deploy:enabled": "false"})
    answer = road.request(**request)
    # ECS promises no order.
    answer["services"].sort(key=itemgetter("service"))
    assert answer == expected


def _question_and_answer(page: str) -> tuple[Any, Any]:
    """The payload of the request that an answer in JSON stands below of, and the answer."""
    found = [block for block in blocks("shell", "json") if block.place.startswith(page)]
    [(question, answer)] = [pair for pair in pairwise(found) if pair[1].language == "json"]
    payload = re.search(r"--payload '(.*)'", question.text)
    assert payload
    return json.loads(payload[1]), json.loads(answer.text)


@pytest.fixture
def lines(road: Road) -> list[str]:
    """What Lambda writes into the log for one push that deploys and one that fails."""
    with log_lines() as log:
        road.push(pushed("v2"))
        road.ecs.inject("UpdateService", Fault.ACCESS_DENIED)
        road.push(pushed("v3", time="2026-11-23T07:00:00Z"))
    return log


@pytest.mark.parametrize("block", blocks("logs-insights"), ids=lambda block: block.place)
def test_queries_ask_for_what_the_log_has(block: Block, lines: list[str]) -> None:
    assert unknown_words(block.text, lines) == set()
    patterns = re.findall(r"/(.*)/", block.text)
    assert all(any(re.search(pattern, line) for line in lines) for pattern in patterns)
    for name, value in re.findall(r'filter (\w+) = "(\w+)"', block.text):
        assert value in {json.loads(line).get(name) for line in lines}


def test_every_metric_has_its_row(road: Road, aws_queues: Queues) -> None:
    ecs = road.ecs
    road = Road(ecs, queues=aws_queues, inputs={"reconcile": True}, clients={"ecr": Registry()})
    ecs.inject("UpdateService", Fault.THROTTLING)
    with log_lines() as log:
        road.push(pushed("v2"))
        ecs.end_deployments()
        road.deliver({"id": "tick", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
        road.push(pushed("v3", time=LATER))
        ecs.move_deployment("prod", "api", "ROLLBACK_SUCCESSFUL")
        road.deliver(changed(FAILED))
    assert _first_column("docs/how-to.md", "Metric") == {metric.name for metric in metrics(log)}


def test_every_member_of_an_event_has_its_row() -> None:
    members = json.loads((ROOT / "schemas" / "deployment.v1.json").read_text())["properties"]
    assert _first_column("docs/how-to.md", "Member") == members.keys()


@pytest.mark.parametrize("answer", ["approve", "reject"])
def test_buttons_of_chats_do_what_they_say(road: Road, answer: str) -> None:
    """A chat puts what it finds in the notification into the command; the payload is what the function is sent."""
    [text] = (block.text for block in blocks("hcl") if "AWS::Chatbot::CustomAction" in block.text)
    chat = "arn:aws:sns:eu-west-1:123456789012:chat"
    registry = Registry()
    registry.push("v2")
    inputs = {"chat_topic_arns": [chat], "rules": [{"approval": {}}]}
    road = Road(road.ecs, inputs=inputs, clients={"ecr": registry})
    road.push(pushed("v2"))
    [notification] = road.topics.chats

    found = dict(re.findall(r'^ +(\w+) += "event\.([\w.]+)"$', text, re.MULTILINE))
    assert 'Operator = "HAS_VALUE", VariableName = "Gate"' in text
    assert _at(notification, found["Gate"]) == "approval"
    [payload] = re.findall(r"--payload (\{.*\})\"$", text.replace('\\"', '"'), re.MULTILINE)
    payload = payload.replace("${each.key}", answer)
    for name, path in found.items():
        payload = payload.replace(f"${name}", _at(notification, path))
    [result] = road.request(**json.loads(payload))["pushes"]

    expected = {"approve": ("deployed", None), "reject": ("skipped", "rejected")}
    assert (result["outcome"], result["services"][0]["reason_kind"]) == expected[answer]


def _at(notification: dict[str, Any], path: str) -> str:
    found: Any = notification
    for name in path.split("."):
        found = found[name]
    return str(found)


def test_every_alarm_has_its_row() -> None:
    tables = (one["alarms"] for one in hcl2.loads((ROOT / "alarms.tf").read_text())["locals"] if "alarms" in one)
    [alarms] = tables
    assert _first_column("docs/how-to.md", "Alarm") == {f"ecr-deploy-{name}" for name in alarms}


def _first_column(page: str, header: str) -> set[str]:
    """The code in the first column of the table whose first header is this."""
    table = (ROOT / page).read_text().partition(f"| {header} | ")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE))


def test_picture_is_drawn_for_dark_backgrounds_too() -> None:
    text = (ROOT / "docs" / "road.svg").read_text()
    picture = ET.fromstring(text)  # noqa: S314 - our own
    assert picture.get("viewBox")
    assert "prefers-color-scheme: dark" in text
    used = {name for part in picture.iter() for name in part.get("class", "").split()}
    light, dark = text.split("@media")
    assert used == set(re.findall(r"\.([\w-]+) \{", light))
    assert {name for name in used if f".{name} {{" in dark} == used


@pytest.mark.newer_boto3
def test_the_picture_of_a_chat(ecs: StrictEcs) -> None:
    """Accepted by deleting the file, and running this twice."""
    chat = "arn:aws:sns:eu-west-1:123456789012:chat"
    names = ["billing", "checkout", "web", *(f"worker-{number}" for number in range(17))]
    for name in names:
        ecs.add_service("prod", name, ecs.register(definition(name, f"{APP}:v1")), service_revisions=True)
    registry = Registry()
    registry.push("v1", time="2026-11-22T06:00:00Z")
    rules = [{"clusters": ["prod"], "approval": {}}]
    road = Road(ecs, inputs={"chat_topic_arns": [chat], "rules": rules}, clients={"ecr": registry})
    registry.push("v2")
    road.deliver(pushed("v2"))
    road.request(approve={"repository": "app", "tag": "v2"}, by="ann")
    for name in reversed(names):
        reason = "exit 137 (out of memory) in container main" if name == "billing" else None
        ecs.move_deployment("prod", name, "ROLLBACK_SUCCESSFUL" if reason else "SUCCESSFUL", reason=reason)
        road.deliver(changed(service=name))

    drawn = draw(road.topics.chats, ["Approve", "Reject"])

    assert len(road.topics.chats) == 3
    file = ROOT / "docs" / "chat.svg"
    if not file.exists():
        file.write_text(drawn)
        pytest.fail(f"{file} is new: look at it, and run this again")
    assert drawn == file.read_text()


def test_hooks_run_what_make_lint_runs() -> None:
    halves = re.findall(r"^lint: (.*?) ##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    hooks = re.findall(r"entry: make (\S+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert halves == [" ".join(hooks)]
