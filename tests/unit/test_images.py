"""Image references are parsed, never text-matched, and printed as they were written."""

import json
from pathlib import Path

import botocore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_deploy.core import images
from ecr_deploy.core.images import Image, ImageReference, Repository
from tests.harness.road import APP, digest

DIGEST = digest("v1")

_word = st.text("az09", min_size=1, max_size=4)
_component = st.tuples(_word, st.sampled_from(["", ".a", "_0", "__z", "-9", "---a.b"])).map("".join)
_dotted_host = st.lists(_word | st.sampled_from(["A", "x-Y"]), min_size=2, max_size=4).map(".".join)
_port = st.integers(1, 65535).map(str)
hosts = st.one_of(
    st.none(),
    st.sampled_from(["localhost", "[::1]", "[2001:db8::1]:5000"]),
    _dotted_host,
    st.tuples(_dotted_host | _word | st.just("localhost"), _port).map(":".join),
)
repositories = st.lists(_component, min_size=1, max_size=4).map("/".join)
tags = st.text("aZ09_.-", min_size=1, max_size=128).filter(images.is_tag)
digests = st.one_of(
    st.integers(0, 2**256 - 1).map("sha256:{:064x}".format),
    st.sampled_from(["sha512:" + "0" * 128, "SHA256:" + "aF" * 16, "sha256+b64u:" + "1" * 32, "a.b_c-d:" + "f" * 33]),
)


def _is_docker_hub_name(image: Image) -> bool:
    """Whether a name without a host would not be read as one with a host."""
    first, slash, _ = image.repository.partition("/")
    return not slash or ("." not in first and first != "localhost")


references = st.builds(Image, hosts, repositories, st.none() | tags, st.none() | digests).filter(
    lambda image: image.host is not None or _is_docker_hub_name(image)
)


@given(references)
def test_every_reference_prints_and_parses_back(image: Image) -> None:
    assert images.parse(str(image)) == image


@given(references.map(str), st.data())
def test_no_character_outside_the_grammar_is_taken(text: str, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(text)))
    intruder = data.draw(st.sampled_from(" \t\n\r\0!\"#$%&'()*,;<=>?\\^`{|}~éА５"))
    with pytest.raises(images.InvalidImageError) as caught:
        images.parse(text[:position] + intruder + text[position:])
    assert intruder in str(caught.value)


@given(st.text("aZ0._-:/@[]", max_size=12))
def test_what_parses_prints_as_it_was_written(text: str) -> None:
    try:
        image = images.parse(text)
    except images.InvalidImageError:
        return
    assert str(image) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/app",
        "app/",
        "a//b",
        "App",
        "example.com/App",
        "-app",
        "app-",
        "a..b",
        "a___b",
        "a._b",
        "app:",
        "app:-v1",
        "app:.v1",
        "app:v1:v2",
        "app:" + "v" * 129,
        "app@",
        "app@v1",
        "app@sha256:abc",
        "app@sha256:" + "g" * 64,
        f"app@{DIGEST}:v1",
        f"app@{DIGEST}@{DIGEST}",
        "example.com:port/app",
        "example.com:/app",
        "https://example.com/app",
        "app\n",
    ],
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(images.InvalidImageError):
        images.parse(text)


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("nginx", Image(None, "nginx", None, None)),
        ("nginx:1.27", Image(None, "nginx", "1.27", None)),
        ("grafana/grafana", Image(None, "grafana/grafana", None, None)),
        (f"nginx:1.27@{DIGEST}", Image(None, "nginx", "1.27", DIGEST)),
        (f"nginx@{DIGEST}", Image(None, "nginx", None, DIGEST)),
        ("docker.io/library/nginx", Image("docker.io", "library/nginx", None, None)),
        ("localhost/app", Image("localhost", "app", None, None)),
        ("localhost", Image(None, "localhost", None, None)),
        ("registry:5000/app:v1", Image("registry:5000", "app", "v1", None)),
        ("app:5000", Image(None, "app", "5000", None)),
        ("localhost:5000/team/app", Image("localhost:5000", "team/app", None, None)),
        ("[::1]:5000/app", Image("[::1]:5000", "app", None, None)),
        ("registry.k8s.io/a/b/c/d:v1", Image("registry.k8s.io", "a/b/c/d", "v1", None)),
        (f"{APP}:v1", Image("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "app", "v1", None)),
    ],
)
def test_parts(text: str, image: Image) -> None:
    assert images.parse(text) == image


ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
        (f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com", "us-east-1"),
        (f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        (f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
        (f"{ACCOUNT}.dkr-ecr-fips.us-east-1.on.aws", "us-east-1"),
        (f"{ACCOUNT}.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1"),
        (f"{ACCOUNT}.dkr-ecr.eusc-de-east-1.on.amazonwebservices.eu", "eusc-de-east-1"),
    ],
)
def test_ecr_hosts(host: str, region: str) -> None:
    image = images.parse(f"{host}/team/app:v1@{DIGEST}")
    assert image.ecr == Repository(ACCOUNT, region, "team/app")


@pytest.mark.parametrize(
    "reference",
    [
        "app",
        "public.ecr.aws/nginx/nginx",
        "12345.dkr.ecr.eu-west-1.amazonaws.com/app",
        "1234567890123.dkr.ecr.eu-west-1.amazonaws.com/app",
        "evil.123456789012.dkr.ecr.eu-west-1.amazonaws.com/app",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.com/app",
        "123456789012.dkr.ecr.eu-west-1.amazonawsXcom.com/app",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com:443/app",
        "123456789012.dkr.ecr.amazonaws.com/app",
        "123456789012.dkr.ecr.eu-west-1.on.aws/app",
        "123456789012.dkr-ecr.eu-west-1.amazonaws.com/app",
    ],
)
def test_hosts_that_are_no_private_registry(reference: str) -> None:
    assert images.parse(reference).ecr is None


_PARTITIONS = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())["partitions"]


@pytest.mark.parametrize(
    ("partition", "suffix", "region"),
    [
        (partition["id"], partition["outputs"]["dnsSuffix"], region)
        for partition in _PARTITIONS
        for region in partition["regions"]
        if not region.endswith("-global")
    ],
)
def test_every_region_that_botocore_knows(partition: str, suffix: str, region: str) -> None:
    repository = Repository(ACCOUNT, region, "team/app")
    assert images.is_region(region)
    assert repository.partition == partition
    assert str(repository) == f"{ACCOUNT}.dkr.ecr.{region}.{suffix}/team/app"
    assert images.parse(str(repository)).ecr == repository


@pytest.mark.parametrize("before", [f"{APP}", f"{APP}:v1", f"{APP}@{DIGEST}", f"{APP}:v1@{DIGEST}"])
@pytest.mark.parametrize(
    ("form", "after"),
    [
        ("tag", f"{APP}:v2"),
        ("digest", f"{APP}@{digest('v2')}"),
        ("tag+digest", f"{APP}:v2@{digest('v2')}"),
    ],
)
def test_pointing_to(before: str, form: ImageReference, after: str) -> None:
    assert str(images.parse(before).pointing_to("v2", digest("v2"), form)) == after


def test_the_host_stays_as_it_was_spelled() -> None:
    before = images.parse(f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws/app:v1")
    assert str(before.pointing_to("v2", DIGEST, "tag")) == f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws/app:v2"


@pytest.mark.parametrize(
    "other",
    [
        f"{APP}-worker",
        f"{APP}/worker",
        f"{APP}worker",
        str(APP._replace(name="my-app")),
        str(APP._replace(name="team/app")),
        str(APP._replace(account="210987654321")),
        str(APP._replace(region="eu-west-2")),
        "app",
    ],
)
def test_app_is_nothing_but_app(other: str) -> None:
    assert images.parse(f"{APP}:v1").ecr == APP
    assert images.parse(f"{other}:v1").ecr != APP


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ("is_account", ["123456789012"], ["", "12345678901", "1234567890123", "12345678901a", "12345678901２"]),  # noqa: RUF001
        (
            "is_region",
            ["eu-west-1", "us-gov-west-1", "eusc-de-east-1"],
            ["", "eu", "eu-west", "EU-WEST-1", "eu-west-1 "],
        ),
        (
            "is_ecr_repository_name",
            ["ab", "a/b", "a.b-c_d/e", "a" * 256],
            ["", "a", "A", "a//b", "a__b", "a/", "a" * 257],
        ),
        ("is_tag", ["v1", "_", "1.2-x", "v" * 128], ["", "-v1", ".v1", "v 1", "v/1", "v1\n", "v" * 129]),
        ("is_ecr_digest", [DIGEST], ["", "sha256:", DIGEST[:-1], DIGEST + "0", DIGEST.upper(), "sha512" + DIGEST[6:]]),
    ],
)
def test_what_ecr_takes(check: str, good: list[str], bad: list[str]) -> None:
    takes = getattr(images, check)
    assert [text for text in good if not takes(text)] == []
    assert [text for text in bad if takes(text)] == []
