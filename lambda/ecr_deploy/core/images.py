"""Image references: `[host[:port]/]repository[:tag][@digest]`, and the ECR repositories some of them name.

The grammar is that of the container ecosystem's reference implementation
(https://github.com/distribution/reference/blob/main/reference.go). References are parsed, never text-matched:
`app` is not `app-worker`, and another registry, account or region is another image.
"""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from ecr_deploy.core.errors import EcrDeployError

ImageReference = Literal["tag", "digest", "tag+digest"]

_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = rf"{_COMPONENT}(?:/{_COMPONENT})*"

_REFERENCE = re.compile(
    # A first component is a host only if it could not be a part of a Docker Hub name.
    rf"(?:(?P<host>localhost(?::[0-9]+)?|[A-Za-z0-9-]+(?:(?:\.[A-Za-z0-9-]+)+(?::[0-9]+)?|:[0-9]+)|\[[0-9a-fA-F:]+\](?::[0-9]+)?)/)?"
    rf"(?P<repository>{_NAME})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
# Private registry hosts, plain, FIPS and dual stack, in every partition.
# https://docs.aws.amazon.com/general/latest/gr/ecr.html
_ECR_HOST = re.compile(
    r"(?P<account>[0-9]{12})\.(?:dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
    r"|dkr-ecr(?:-fips)?\.(?P<dual_stack_region>[a-z0-9-]+)\.on\.(?:aws|amazonwebservices\.com\.cn|amazonwebservices\.eu))"
)
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+")
_ECR_NAME = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
_ECR_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ONLY_TAG = re.compile(_TAG)

# Region prefix → (partition, DNS suffix); the first that fits. Everything else is the commercial partition.
_PARTITIONS = {
    "cn-": ("aws-cn", "amazonaws.com.cn"),
    "us-gov-": ("aws-us-gov", "amazonaws.com"),
    "us-iso-": ("aws-iso", "c2s.ic.gov"),
    "us-isob-": ("aws-iso-b", "sc2s.sgov.gov"),
    "eu-isoe-": ("aws-iso-e", "cloud.adc-e.uk"),
    "us-isof-": ("aws-iso-f", "csp.hci.ic.gov"),
    "eusc-": ("aws-eusc", "amazonaws.eu"),
}


class InvalidImageError(EcrDeployError):
    """A text that is no image reference."""

    def __init__(self, text: str) -> None:
        super().__init__(f'"{text}" is not an image reference')
        self.text = text


class Repository(NamedTuple):
    """One ECR repository: its registry's account (12 digits) and region, and its name, which may hold slashes."""

    account: str
    region: str
    name: str

    @property
    def partition(self) -> str:
        """The AWS partition of the region, such as `aws` or `aws-cn`."""
        return self._partition_and_suffix()[0]

    def is_copy_of(self, other: "Repository") -> bool:
        """Whether it holds what is pushed to another: it is the same, or a replica in another region."""
        return (self.account, self.name) == (other.account, other.name)

    def __str__(self) -> str:
        """Spell the repository as its plain registry host writes it."""
        return f"{self.account}.dkr.ecr.{self.region}.{self._partition_and_suffix()[1]}/{self.name}"

    def _partition_and_suffix(self) -> tuple[str, str]:
        return next((known for prefix, known in _PARTITIONS.items() if self.region.startswith(prefix)), _COMMERCIAL)


_COMMERCIAL = ("aws", "amazonaws.com")


class Image(NamedTuple):
    """A parsed image reference; `str()` gives back the text it was parsed from."""

    host: str | None
    repository: str
    tag: str | None
    digest: str | None

    def __str__(self) -> str:
        """Spell the reference, with only the parts it has."""
        host = f"{self.host}/" if self.host else ""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{host}{self.repository}{tag}{digest}"

    @property
    def ecr(self) -> Repository | None:
        """The ECR repository that the reference names; None if its host is no private ECR registry."""
        match = _ECR_HOST.fullmatch(self.host or "")
        if match is None:
            return None
        return Repository(match["account"], match["region"] or match["dual_stack_region"], self.repository)

    def pointing_to(self, tag: str, digest: str, image_reference: ImageReference) -> "Image":
        """The same repository on the same host as spelled here, at `tag` and `digest`, in the form asked for."""
        return self._replace(
            tag=None if image_reference == "digest" else tag,
            digest=None if image_reference == "tag" else digest,
        )


def parse(text: str) -> Image:
    """Read an image reference.

    Raises:
        InvalidImageError: `text` does not follow the grammar.

    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise InvalidImageError(text)
    return Image(match["host"], match["repository"], match["tag"], match["digest"])


def repositories(texts: Iterable[str]) -> tuple[Repository, ...]:
    """The ECR repositories that image references name; what is no reference names none."""
    matches = (_REFERENCE.fullmatch(text) for text in texts)
    named = (Image(match["host"], match["repository"], None, None).ecr for match in matches if match)
    return tuple(dict.fromkeys(repository for repository in named if repository))


def is_account(text: str) -> bool:
    """Whether `text` is an AWS account id."""
    return _ACCOUNT.fullmatch(text) is not None


def is_region(text: str) -> bool:
    """Whether `text` has the form of an AWS region name."""
    return _REGION.fullmatch(text) is not None


def is_ecr_repository_name(text: str) -> bool:
    """Whether ECR would take `text` as a repository name: 2 to 256 characters.

    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
    """
    return 2 <= len(text) <= 256 and _ECR_NAME.fullmatch(text) is not None  # noqa: PLR2004


def is_tag(text: str) -> bool:
    """Whether `text` is an image tag: up to 128 characters."""
    return _ONLY_TAG.fullmatch(text) is not None


def is_ecr_digest(text: str) -> bool:
    """Whether `text` is a digest as ECR gives them: sha256, in lower case."""
    return _ECR_DIGEST.fullmatch(text) is not None
