"""The road of a push without AWS: the product's own dispatcher, on a double of ECS, and moto for queues and ECR."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator, ValidationError

from ecr_deploy.core import items, memory, settings
from ecr_deploy.core.images import Repository, parse
from ecr_deploy.core.records import Record
from ecr_deploy.dispatch import Dispatcher
from ecr_deploy.environment import Environment
from tests.harness.strict_ecs import Clock, StrictEcs
from tests.harness.table import StrictTable

ACCOUNT = "123456789012"
REGION = "eu-west-1"
_SESSION = boto3.Session("moto", "moto")
SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "schemas" / "deployment.v1.json").read_text()),
    format_checker=Draft202012Validator.FORMAT_CHECKER,
)
CHAT_SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "schemas" / "chat-notification.json").read_text())
)
APP = Repository(ACCOUNT, REGION, "app")


@cache
def client(service: str, config: Config | None = None, region_name: str = REGION) -> Any:
    """A client for all tests: moto gives each a new default session, whose client costs more than the test."""
    return _SESSION.client(service, region_name, config=config)


def digest(text: object) -> str:
    """A digest that stands for some image."""
    return "sha256:" + str(text).encode().hex().rjust(64, "0")


def definition(family: str, *images: str, **members: Any) -> dict[str, Any]:
    """An EC2 task definition with a container `main` for the first image, `sidecar-1` for the second, and so on."""
    containers = [
        {"name": f"sidecar-{index}" if index else "main", "image": image, "memory": 128}
        for index, image in enumerate(images)
    ]
    return {"family": family, "containerDefinitions": containers, **members}


_ids = itertools.count(1)


def pushed(  # noqa: PLR0913 - the fields of the event
    tag: str,
    image_digest: str | None = None,
    *,
    repository: str = "app",
    time: str = "2026-11-23T06:00:00Z",
    account: str = ACCOUNT,
    region: str = REGION,
    event_id: str | None = None,
) -> dict[str, Any]:
    """The native event of a push."""
    return {
        "version": "0",
        "id": event_id or f"event-{next(_ids)}",
        "detail-type": "ECR Image Action",
        "source": "aws.ecr",
        "account": account,
        "time": time,
        "region": region,
        "resources": [],
        "detail": {
            "result": "SUCCESS",
            "repository-name": repository,
            "image-digest": image_digest or digest(tag),
            "action-type": "PUSH",
            "image-tag": tag,
        },
    }


def detail_type(detail: Mapping[str, Any]) -> str:
    """The detail-type of an event of ecr-deploy."""
    return f"Deployment {detail['outcome'].replace('-', ' ').title()}"


def from_region(region: str, detail: Mapping[str, Any], time: str, account: str = ACCOUNT) -> dict[str, Any]:
    """An event of ecr-deploy as the bus of another region sends it on."""
    return {
        "version": "0",
        "id": f"event-{next(_ids)}",
        "detail-type": detail_type(detail),
        "source": "ecr-deploy",
        "account": account,
        "time": time,
        "region": region,
        "resources": [],
        "detail": detail,
    }


def batch(*bodies: object, receives: int = 1, group: str = "retry-1") -> dict[str, Any]:
    """Messages as Lambda takes them from the queue; a body is an event, or a text as it stands.

    What fails in the group `pushes` goes on in a group of its own, and comes back only there.
    """
    return {
        "Records": [
            {
                "messageId": f"message-{index}",
                "receiptHandle": f"receipt-{index}",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": str(receives), "MessageGroupId": group},
                "eventSource": "aws:sqs",
            }
            for index, body in enumerate(bodies)
        ]
    }


@dataclass
class Context:
    """The part of Lambda's context that the function asks."""

    seconds: float = 300

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class Queues:
    """Two queues on moto."""

    client: Any
    url: str
    dead_letter_url: str

    def dead_letters(self) -> list[Any]:
        """The bodies in the dead-letter queue."""
        return self._bodies(self.dead_letter_url)

    def waiting(self) -> list[Any]:
        """The bodies that the function put into the queue."""
        return self._bodies(self.url)

    def _bodies(self, url: str) -> list[Any]:
        answer = self.client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [message["Body"] for message in answer.get("Messages", [])]


def queues(suffix: str = "") -> Queues:
    """Make the queues; moto must be on."""
    sqs = client("sqs")
    fifo, names = {"FifoQueue": "true"}, (f"road{suffix}.fifo", f"dead{suffix}.fifo")
    urls = [sqs.create_queue(QueueName=name, Attributes=fifo)["QueueUrl"] for name in names]
    return Queues(sqs, *urls)


BROKEN: list[str] = []
"""What was sent and is not what it must be: the function logs an error and goes on, but the test fails."""


@contextmanager
def noting() -> Iterator[None]:
    """Note what is wrong with what is sent, for the test to fail at its end."""
    try:
        yield
    except (AssertionError, ValidationError) as error:
        BROKEN.append(str(error))
        raise


class Events:
    """An event bus that takes what EventBridge would, and keeps it."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []

    def put_events(self, *, Entries: Sequence[Mapping[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        with noting():
            self._take(Entries)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}

    def _take(self, entries: Sequence[Mapping[str, str]]) -> None:
        assert 1 <= len(entries) <= 10
        for entry in entries:
            assert entry["Source"] == "ecr-deploy"
            detail = json.loads(entry["Detail"])
            SCHEMA.validate(detail)
            assert entry["DetailType"] == detail_type(detail)
            self.taken.append((entry["DetailType"], detail))


class Topics:
    """Topics that take what SNS would, and keep it; what chats subscribe must be what they show, too.

    https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    """

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []
        """Subject and text."""
        self.chats: list[dict[str, Any]] = []
        self.chat_topics: frozenset[str] = frozenset()
        self.failing = False

    @property
    def subjects(self) -> list[str]:
        return [subject for subject, _ in self.mails]

    def publish(self, *, TopicArn: str, Message: str, Subject: str | None = None) -> dict[str, str]:  # noqa: N803 - boto3's names
        if self.failing:
            raise ClientError({"Error": {"Code": "InternalError", "Message": "try again"}}, "Publish")
        with noting():
            assert 0 < len(Message.encode()) <= 256 * 1024
            if TopicArn in self.chat_topics:
                assert Subject is None
                notification = json.loads(Message)
                CHAT_SCHEMA.validate(notification)
                self.chats.append(notification)
            else:
                assert re.fullmatch(r"[!-~][ -~]{0,99}", Subject or ""), Subject
                assert not Message.startswith(("{", '"'))
                assert not re.search(r"\b(None|null)\b", Message), Message
                self.mails.append((Subject or "", Message))
        return {"MessageId": "1"}


class Registry:
    """As much of ECR as is asked when nothing was pushed: which tags there are, their digests, and since when."""

    def __init__(self) -> None:
        self.pushed: dict[str, dict[str, datetime]] = {}
        self.digests: dict[str, str] = {}
        """Of tags that were moved to an image pushed earlier."""
        self.scans: dict[str, tuple[str, dict[str, int]]] = {}
        """By digest, ECR's status of a scan and how many findings of each severity it has."""
        self.indexes: dict[str, list[dict[str, Any]]] = {}
        """By digest, the manifests that an index lists."""

    def push(self, tag: str, repository: str = "app", time: str = "2026-11-23T06:00:00Z") -> None:
        """Put an image that `digest(tag)` stands for."""
        self.pushed.setdefault(repository, {})[tag] = datetime.fromisoformat(time)

    def describe_images(
        self,
        *,
        repositoryName: str,  # noqa: N803 - boto3's names
        imageIds: Sequence[Mapping[str, str]] = (),  # noqa: N803
        nextToken: str | None = None,  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        if imageIds:
            return {"imageDetails": self._found(repositoryName, imageIds)}
        # A page for each, so that tests turn them.
        tags = list(self.pushed.get(repositoryName, {}).items())
        page = int(nextToken or 0)
        details = [self._image(*one) for one in tags[page : page + 1]]
        return {"imageDetails": details, **({"nextToken": str(page + 1)} if page + 1 < len(tags) else {})}

    def describe_image_scan_findings(self, *, imageId: Mapping[str, str], **_: object) -> dict[str, Any]:  # noqa: N803
        """What a scan found; an index is never scanned."""
        found = self.scans.get(imageId["imageDigest"])
        if found is None:
            error = {"Error": {"Code": "ScanNotFoundException", "Message": f"no scan of {imageId}"}}
            raise ClientError(error, "DescribeImageScanFindings")
        status, counts = found
        return {"imageScanStatus": {"status": status}, "imageScanFindings": {"findingSeverityCounts": counts}}

    def batch_get_image(self, *, imageIds: Sequence[Mapping[str, str]], **_: object) -> dict[str, Any]:  # noqa: N803
        manifest = {"manifests": self.indexes[imageIds[0]["imageDigest"]]} if self._is_index(imageIds[0]) else {}
        return {"images": [{"imageId": imageIds[0], "imageManifest": json.dumps(manifest)}], "failures": []}

    def _is_index(self, image_id: Mapping[str, str]) -> bool:
        return image_id["imageDigest"] in self.indexes

    def _found(self, repository: str, ids: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        """Describe the images asked for, or none where one is not there, as ECR does."""
        images: dict[str, dict[str, Any]] = {}
        for tag, pushed_at in self.pushed.get(repository, {}).items():
            image = images.setdefault(self._digest(tag), self._image(tag, pushed_at) | {"imageTags": []})
            image["imageTags"].append(tag)
        found = {}
        for one in ids:
            wanted = one.get("imageDigest") or next(
                (name for name, image in images.items() if one.get("imageTag") in image["imageTags"]), None
            )
            if wanted not in images:
                error = {"Error": {"Code": "ImageNotFoundException", "Message": f"no image {one}"}}
                raise ClientError(error, "DescribeImages")
            found[wanted] = images[wanted]
        return list(found.values())

    def _image(self, tag: str, pushed_at: datetime) -> dict[str, Any]:
        return {"imageDigest": self._digest(tag), "imageTags": [tag], "imagePushedAt": pushed_at}

    def _digest(self, tag: str) -> str:
        return self.digests.get(tag, digest(tag))


# Whoever deploys to an account has the same table there.
_TABLES: "WeakKeyDictionary[StrictEcs, StrictTable]" = WeakKeyDictionary()


def give_table(ecs: StrictEcs, table: StrictTable) -> None:
    """Let whoever deploys to an account have a table of one's own making there."""
    _TABLES[ecs] = table


@dataclass
class Road:
    """The product, ready to be handed events."""

    ecs: StrictEcs
    queues: Queues | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    clock: Clock | None = None
    """Time for the product; the double's own unless given."""
    clients: Mapping[str, Any] = field(default_factory=dict)
    """Clients of services other than ECS, by name; boto3's unless given."""
    events: Events = field(default_factory=Events)
    """What the function tells on the event bus."""
    topics: Topics = field(default_factory=Topics)
    """What people and chats are told."""
    registry: "Registry | None" = field(default_factory=Registry)
    """ECR, unless it is among the clients."""

    table: StrictTable = field(init=False)
    """The module's table."""

    def __post_init__(self) -> None:
        if self.ecs not in _TABLES:
            _TABLES[self.ecs] = StrictTable(clock=self.ecs.clock, lifeline=self.ecs.lifeline)
        self.table = _TABLES[self.ecs]
        self.handler = self._start()

    def cold_start(self) -> Dispatcher:
        """End the execution environment and start a new one, which remembers nothing."""
        # What is dead does nothing any more: a call that a thread of it is about to make would count for the new one.
        self.handler.environment.ecs._pool.shutdown()  # noqa: SLF001 - Lambda ends its threads with the process, which is ours here
        self.handler.environment.table._pool.shutdown()  # noqa: SLF001
        self.handler = self._start()
        return self.handler

    def _start(self) -> Dispatcher:
        urls = (self.queues.url, self.queues.dead_letter_url) if self.queues else ("https://queue", "https://dead")
        fixed = {"account_id": ACCOUNT, "table_name": self.table.name}
        values = {**fixed, "queue_url": urls[0], "dead_letter_queue_url": urls[1], **self.inputs}
        environment = {settings.VARIABLE: json.dumps(values)}
        read = settings.from_environment(environment)
        return Dispatcher(Environment(read, self.ecs.region, self.client, self.clock or self.ecs.clock))

    def push(self, event: Mapping[str, Any], **context: float) -> dict[str, Any]:
        """Hand one bare event over; gives what came of the push."""
        answer = self.handler(event, Context(**context))
        [push] = answer["pushes"]
        return dict(push)

    def request(self, **fields: Any) -> dict[str, Any]:
        """Ask as an operator would."""
        answer: dict[str, Any] = self.handler(fields, Context())
        return answer

    def deliver(self, *bodies: object, receives: int = 1, group: str = "retry-1", **context: float) -> list[str]:
        """Hand a batch of the queue over; gives the identifiers of the messages that failed."""
        answer = self.handler(batch(*bodies, receives=receives, group=group), Context(**context))
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def image(self, cluster: str, service: str, container: str = "main") -> str:
        """The image that a container of a service runs."""
        containers: Sequence[Mapping[str, Any]] = self.ecs.running(cluster, service)["containerDefinitions"]
        return str(next(one["image"] for one in containers if one["name"] == container))

    def memory(self, cluster: str, service: str) -> memory.Memory:
        """What the table holds of a service."""
        item = self.table.items().get((f"service/{cluster}/{service}", "memory"))
        return items.from_text(item["memory"]["S"]) if item else memory.Memory()

    def recorded(self, cluster: str = "prod", service: str = "api") -> dict[str, Record]:
        """The push that is known of each repository that a service runs."""
        known = self.memory(cluster, service)
        runs = {one["name"]: parse(one["image"]) for one in self.ecs.running(cluster, service)["containerDefinitions"]}
        return {
            repository.name: Record(repository, image.tag or "", image.digest or "", image.pushed_at)
            for name, image in known.images.items()
            if name in runs and (repository := runs[name].ecr)
        }

    def client(self, service: str, **kwargs: Any) -> Any:
        """Make a client as boto3 would."""
        self.topics.chat_topics = frozenset(self.inputs.get("chat_topic_arns", ()))
        doubles = {"events": self.events, "sns": self.topics, **self.clients}
        if service in doubles:
            return doubles[service]
        if service == "dynamodb":
            return self.table.client(**kwargs)
        if service == "ecr" and self.registry is not None:
            return self.registry
        if service != "ecs":
            return client(service, **kwargs)
        return self.ecs.client(**kwargs)
