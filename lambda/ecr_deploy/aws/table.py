"""The table: what each target is to run and what was rolled out to it, in DynamoDB.

    target                 item                            attributes
    service/CLUSTER/NAME   memory                          version, memory: JSON
    service/CLUSTER/NAME   rollout/2026-11-23T06:17:18Z/…  rollout: JSON, expires
    lease/FAMILY           lease                           holder, until, registered: JSON
    freezes                memory                          version, freezes: JSON
    tasks                  CLUSTER/FAMILY/CONTAINER        version, runs: JSON
    reported/SUBJECT       a problem that lasts            expires
    progress               ACCOUNT/REGION/REPO@DIGEST      version, progress: JSON, expires

`family/NAME` stands for a family that no service runs. docs/decisions/table.md says why it looks like this.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ecr_deploy.aws.calls import Api, batched
from ecr_deploy.aws.dynamodb import CONDITION_FAILED, KEYS_PER_GET, Items, key_of, legible
from ecr_deploy.core import freezes, items, rollouts
from ecr_deploy.core.errors import BusyError, CallError, EcrDeployError, MalformedItemError
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.freezes import Freeze
from ecr_deploy.core.memory import Memory
from ecr_deploy.core.rollouts import Rollout

LEASE_SECONDS = 60
"""For how long a writer that died may hold others up."""
MOST_ROLLOUTS = 200
"""How far back history goes, within a year."""

TARGETS_PER_GET = KEYS_PER_GET - 1
"""How many targets one BatchGetItem reads, beside what is frozen."""
FREEZES = "freezes"
"""The key of what is frozen."""
_YEAR = timedelta(days=365)
# Of what we registered, which revisions are remembered for each family.
_MOST_REGISTERED = 500


class Known(NamedTuple):
    """A memory, and what the table holds of it; `version` is 0 for one that is not there."""

    memory: Memory
    version: int
    stored: Memory


class Lease(NamedTuple):
    """The right to write to a family until a moment.

    `registered` maps the numbers of the revisions that we registered to those that they were made from.
    """

    family: str
    until: datetime
    registered: Mapping[int, int]


class Table(Items):
    """What the table holds of targets and families; `holder` identifies this writer."""

    def __init__(self, api: Api, name: str, holder: str) -> None:
        super().__init__(api, name)
        self._holder = holder
        self._pool = ThreadPoolExecutor(32, thread_name_prefix="table")
        self.freezes: tuple[Freeze, ...] = ()
        """What is frozen, as of the last reading of any target: it comes with that."""

    def read(self, targets: Iterable[Target]) -> dict[Target, Known | EcrDeployError]:
        """What is known of each target; where its item can't be read, why."""
        return self.start_read(targets)()

    def start_read(self, targets: Iterable[Target]) -> Callable[[], dict[Target, Known | EcrDeployError]]:
        """Begin to read what is known of targets; the function that it gives waits for the answers."""
        keys = {items.target_key(target): target for target in targets}
        wanted = [FREEZES, *keys] if keys else []
        batches = batched((key_of(key, "memory") for key in wanted), KEYS_PER_GET)
        answers = [self._pool.submit(self._get, batch) for batch in batches]

        def answered() -> dict[Target, Known | EcrDeployError]:
            found = {key: item for answer in answers for key, item in answer.result().items()}
            if keys:
                self.freezes = freezes_of(found.get(FREEZES))
            return {target: _known(key, found.get(key)) for key, target in keys.items()}

        return answered

    def write(self, memories: Mapping[Target, Known]) -> dict[Target, Known | EcrDeployError]:
        """Write the memories that changed; gives each as the table holds it now, or why it could not be written."""
        return dict(zip(memories, self._pool.map(self._try_put, memories.items()), strict=True))

    def start_lease(self, family: str, now: datetime) -> "Future[Lease]":
        """Begin to take the lease of a family."""
        return self._pool.submit(self.lease, family, now)

    def lease(self, family: str, now: datetime) -> Lease:
        """Take the lease of a family, or prolong it.

        Raises:
            BusyError: another writer has it.

        """
        until = now + timedelta(seconds=LEASE_SECONDS)
        try:
            answer = self._call(
                "UpdateItem",
                f"the lease of family {family}",
                {"Attributes": dict},
                Key=key_of(f"lease/{family}", "lease"),
                UpdateExpression="SET holder = :holder, #until = :until",
                ConditionExpression="attribute_not_exists(holder) OR holder = :holder OR #until < :now",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={
                    ":holder": {"S": self._holder},
                    ":until": {"N": _milliseconds(until)},
                    ":now": {"N": _milliseconds(now)},
                },
                ReturnValues="ALL_NEW",
            )
        except CallError as error:
            if error.code == CONDITION_FAILED:
                raise BusyError(family) from error
            raise
        return Lease(family, until, _registered(answer["Attributes"]))

    def start_release(self, lease: Lease) -> "Future[None]":
        """Begin to give a lease back."""
        return self._pool.submit(self.release, lease)

    def start_note(self, lease: Lease) -> "Future[None]":
        """Begin to write down what is about to be registered."""
        return self._pool.submit(self.note, lease)

    def release(self, lease: Lease) -> None:
        """Give a lease back, with what was registered meanwhile; one that somebody else has by now stays theirs."""
        newest = sorted(lease.registered.items(), reverse=True)[:_MOST_REGISTERED]
        try:
            self._call(
                "UpdateItem",
                f"the lease of family {lease.family}",
                {},
                Key=key_of(f"lease/{lease.family}", "lease"),
                UpdateExpression="SET registered = :registered REMOVE holder, #until",
                ConditionExpression="holder = :holder",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={
                    ":holder": {"S": self._holder},
                    ":registered": {"S": json.dumps(dict(newest))},
                },
            )
        except CallError as error:
            if error.code != CONDITION_FAILED:
                raise

    def note(self, lease: Lease) -> None:
        """Write down what is about to be registered, so that a crash does not hide what others register meanwhile."""
        self._call(
            "UpdateItem",
            f"the lease of family {lease.family}",
            {},
            Key=key_of(f"lease/{lease.family}", "lease"),
            UpdateExpression="SET registered = :registered",
            ConditionExpression="holder = :holder",
            ExpressionAttributeValues={
                ":holder": {"S": self._holder},
                ":registered": {"S": json.dumps(dict(lease.registered))},
            },
        )

    def registered(self, family: str) -> Mapping[int, int]:
        """The numbers of the revisions of a family that we registered, with those that they were made from."""
        return _registered(self._get([key_of(f"lease/{family}", "lease")]).get(f"lease/{family}", {}))

    def archive(self, target: Target, ended: Sequence[Rollout]) -> None:
        """Write rollouts into the history of a target."""
        for rollout in ended:
            key = items.target_key(target)
            item = {
                **key_of(key, f"rollout/{rollout.key}"),
                "rollout": {"S": json.dumps(rollouts.to_json(rollout))},
                "expires": {"N": str(int((rollout.started_at + _YEAR).timestamp()))},
            }
            self._call("PutItem", key, {}, Item=item)

    def is_first(self, subject: str, problem: str, now: datetime) -> bool:
        """Whether a problem that lasts was not reported yet within a year; from now on it was."""
        key = f"reported/{subject}"
        item = {**key_of(key, problem), "expires": {"N": str(int((now + _YEAR).timestamp()))}}
        try:
            self._call("PutItem", key, {}, Item=item, ConditionExpression="attribute_not_exists(expires)")
        except CallError as error:
            if error.code == CONDITION_FAILED:
                return False
            raise
        return True

    def history(self, target: Target, limit: int = MOST_ROLLOUTS) -> Iterator[Rollout]:
        """The rollouts of a target, the newest first."""
        key = items.target_key(target)
        for item in self.query(key, "rollout/", newest_first=True, limit=limit):
            with legible(f"{key}, {item['item']['S']}"):
                rollout = rollouts.from_json(json.loads(item["rollout"]["S"]))
            yield rollout

    def _get(self, keys: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        return {item["target"]["S"]: item for item in self.get(keys)}

    def _try_put(self, change: tuple[Target, Known]) -> Known | EcrDeployError:
        target, known = change
        if known.memory == known.stored:
            return known
        try:
            self.put(items.target_key(target), "memory", known.version, memory=items.to_text(known.memory))
        except EcrDeployError as error:
            return error
        return Known(known.memory, known.version + 1, known.memory)


def _known(key: str, item: Mapping[str, Any] | None) -> Known | EcrDeployError:
    if item is None:
        return Known(Memory(), 0, Memory())
    try:
        stored = items.from_text(item["memory"]["S"])
        return Known(stored, int(item["version"]["N"]), stored)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return MalformedItemError(key, error)


def freezes_of(item: Mapping[str, Any] | None) -> tuple[Freeze, ...]:
    """What is frozen, as the table holds it.

    Raises:
        MalformedItemError: somebody edited it.

    """
    with legible(FREEZES):
        return freezes.from_text(item["freezes"]["S"]) if item else ()


def _registered(item: Mapping[str, Any]) -> dict[int, int]:
    try:
        return {int(number): int(base) for number, base in json.loads(item["registered"]["S"]).items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        # Nothing is registered yet, or somebody edited it: what it says is only a help after a crash.
        return {}


def _milliseconds(time: datetime) -> str:
    return str(int(time.timestamp() * 1000))
