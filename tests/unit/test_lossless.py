"""A new revision is the old one with images changed: nothing that ECS knows of a task definition gets lost."""

import copy
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import Shape
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_deploy.core import revisions
from tests.harness.road import APP, Road, definition, digest, pushed
from tests.harness.strict_ecs import FakeClock, StrictEcs
from tests.harness.strict_ecs.validation import operation_model

REQUEST = operation_model("RegisterTaskDefinition").input_shape
ANSWER = operation_model("DescribeTaskDefinition").output_shape.members["taskDefinition"]
OLD, NEW = f"{APP}:v1", f"{APP}:v2"

# Texts are opaque to us, so that a few which JSON writers stumble over are as good as any.
_texts = st.sampled_from(
    ["", "text", " spaced ", 'quo"ted\\', "line\nend\u2028", "\u00e9\U0001f433", "null", "0", '{"a": 1}', OLD]
)
_numbers = st.integers(-(2**31), 2**31 - 1)


@functools.cache
def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Any JSON value that the model's shape allows."""
    if shape.type_name == "structure" and shape.is_tagged_union:
        return st.one_of([st.fixed_dictionaries({name: values(member)}) for name, member in shape.members.items()])
    if shape.type_name == "structure":
        required = {name: values(shape.members[name]) for name in shape.required_members}
        optional = {name: values(member) for name, member in shape.members.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)
    if shape.type_name == "list":
        return st.lists(values(shape.member), max_size=2)
    if shape.type_name == "map":
        return st.dictionaries(_texts, values(shape.value), max_size=2)
    if shape.type_name == "string" and shape.enum:
        return st.sampled_from(shape.enum)
    return {"boolean": st.booleans(), "integer": _numbers, "string": _texts}[shape.type_name]


def consistent(registration: dict[str, Any]) -> dict[str, Any]:
    """Make of a registration that the model allows one that ECS allows: names, images, Fargate's demands, tags."""
    family = {**registration, "family": "family"}
    images = [OLD, "nginx", f"{APP}-worker:v1", f"{OLD}@{digest('v1')}"]
    containers = registration["containerDefinitions"] or [{}]
    family["containerDefinitions"] = [
        {**container, "name": f"c{index}", "image": images[index]} for index, container in enumerate(containers)
    ]
    if "FARGATE" in family.get("requiresCompatibilities", ()):
        family |= {"cpu": "256", "memory": "512", "networkMode": "awsvpc"}
    return {name: value for name, value in family.items() if name != "tags"}


definitions = values(REQUEST).map(consistent)


class Fleet:
    """One service after another, on one ECS: for each example a new one would take longer than its push does."""

    def __init__(self) -> None:
        self.ecs = StrictEcs(clock=FakeClock())
        self.road = Road(self.ecs)
        self.names = map("service-{}".format, itertools.count())

    def deploy(self, before: dict[str, Any], tags: dict[str, str] | None = None) -> str:
        """Push a new image to a service that runs a definition; give the ARN of the revision that it runs then."""
        name = next(self.names)
        self.ecs.add_service("prod", name, self.ecs.register(before, tags))
        result = self.road.push(pushed("v2"))
        assert result["outcome"] == "deployed"
        revision = self.ecs.task_definition("prod", name) or ""
        self.ecs.delete_service("prod", name)
        self.ecs.deregister(revision)
        return revision


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def with_new_image(before: dict[str, Any]) -> dict[str, Any]:
    after = copy.deepcopy(before)
    for container in after["containerDefinitions"]:
        if container["image"].startswith(OLD):
            container["image"] = NEW
    return after


def test_any_definition_of_the_model_keeps_all_but_the_image(fleet: Fleet) -> None:
    # The test below has every member for certain; here it is combinations of them that count.
    @settings(max_examples=settings().max_examples // 2)
    @given(definitions)
    def keeps(before: dict[str, Any]) -> None:
        assert fleet.ecs.definition(fleet.deploy(before)) == with_new_image(before)

    keeps()


def maximal(shape: Shape) -> Any:
    """A value with every member that the model's shape has, at every depth."""
    match shape.type_name:
        case "structure":
            return {name: maximal(member) for name, member in shape.members.items()}
        case "list":
            return [maximal(shape.member)]
        case "map":
            return {"key": maximal(shape.value)}
        case "boolean":
            return True
        case "integer":
            return 7
        case _:
            return shape.enum[0] if shape.enum else "text"


def members(shape: Shape, path: str = "") -> Iterator[str]:
    """Every member of the model at every depth, as a path."""
    match shape.type_name:
        case "structure":
            for name, member in shape.members.items():
                yield f"{path}.{name}"
                yield from members(member, f"{path}.{name}")
        case "list":
            yield from members(shape.member, f"{path}[]")
        case "map":
            yield f"{path}{{}}"


def paths(value: object, path: str = "") -> Iterator[str]:
    """The same of a JSON value."""
    if isinstance(value, dict):
        for name, item in value.items():
            step = f"{path}{{}}" if name == "key" and path.endswith(_MAPS) else f"{path}.{name}"
            yield step
            yield from paths(item, step)
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, f"{path}[]")


_MAPS = tuple(path.removesuffix("{}").rpartition(".")[2] for path in members(REQUEST) if path.endswith("{}"))


@pytest.mark.newer_boto3
def test_a_definition_with_every_member_of_the_model(fleet: Fleet) -> None:
    before = consistent(maximal(REQUEST))
    everything = {path for path in members(REQUEST) if not path.startswith(".tags")}
    assert set(paths(before)) == everything

    after = fleet.ecs.definition(fleet.deploy(before))

    lost = everything - set(paths(after))
    assert len(everything) > 160
    assert lost == set()
    assert after == with_new_image(before)


@pytest.mark.newer_boto3
def test_what_describe_adds_is_what_the_model_says() -> None:
    assert ANSWER.members.keys() - REQUEST.members.keys() == revisions.DESCRIBE_ONLY - {"daemonTaskDefinitionArn"}
    assert REQUEST.members.keys() - ANSWER.members.keys() == {"tags"}


def test_members_that_our_model_has_never_heard_of(ecs: StrictEcs, road: Road) -> None:
    before = definition("it", OLD)
    before["inventedAtTheTop"] = {"deep": [1, {"er": None}], "big": 2**60, "small": 0.1, "text": "é\u2028"}
    before["containerDefinitions"][0] |= {"inventedInAContainer": ["kept", False]}
    before["containerDefinitions"][0]["linuxParameters"] = {"initProcessEnabled": True, "inventedBelow": {"x": ""}}
    ecs.add_service("prod", "it", ecs.register(before))

    road.push(pushed("v2"))

    assert ecs.running("prod", "it") == with_new_image(before)


@pytest.mark.parametrize(
    "tags", [{}, {"team": "blue"}, {"empty": "", "Team:x": "a+b = @c/d_e-f.g"}, {"aws:stack": "x"}]
)
def test_tags_are_carried_over(fleet: Fleet, tags: dict[str, str]) -> None:
    after = fleet.ecs.tags(fleet.deploy(definition("it", OLD), tags))
    # Only AWS can set a tag that begins with aws:.
    assert after == {key: value for key, value in tags.items() if not key.startswith("aws:")}


@pytest.mark.parametrize("before", [OLD, f"{APP}@{digest('v1')}", f"{OLD}@{digest('v1')}", str(APP)])
@pytest.mark.parametrize(
    ("form", "after"),
    [("tag", NEW), ("digest", f"{APP}@{digest('v2')}"), ("tag+digest", f"{NEW}@{digest('v2')}")],
)
def test_image_reference(ecs: StrictEcs, before: str, form: str, after: str) -> None:
    ecs.add_service("prod", "it", ecs.register(definition("it", before, "nginx")))

    result = Road(ecs, inputs={"image_reference": form}).push(pushed("v2"))

    assert ecs.running("prod", "it") == definition("it", after, "nginx")
    assert result["services"][0]["images"] == [{"container": "main", "from": before, "to": after}]


def test_the_host_stays_as_it_is_spelled(ecs: StrictEcs, road: Road) -> None:
    dual_stack = "123456789012.dkr-ecr.eu-west-1.on.aws/app"
    ecs.add_service("prod", "it", ecs.register(definition("it", f"{dual_stack}:v1", OLD)))

    road.push(pushed("v2"))

    assert ecs.running("prod", "it") == definition("it", f"{dual_stack}:v2", NEW)


def test_an_image_that_is_no_reference_stays_as_it_is(ecs: StrictEcs, road: Road) -> None:
    ecs.add_service("prod", "it", ecs.register(definition("it", OLD, "${IMAGE}:v1")))

    road.push(pushed("v2"))

    assert ecs.running("prod", "it") == definition("it", NEW, "${IMAGE}:v1")
