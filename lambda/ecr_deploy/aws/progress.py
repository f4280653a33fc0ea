"""The table's items of what was notified of pushes: `progress`, ACCOUNT/REGION/REPOSITORY@DIGEST."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ecr_deploy.aws.calls import Api, batched
from ecr_deploy.core import progress
from ecr_deploy.core.errors import CallError, MalformedItemError, OvertakenError
from ecr_deploy.core.progress import Progress

_PARTITION = "progress"
_CONDITION_FAILED = "ConditionalCheckFailedException"
_KEYS_PER_GET = 100


class ProgressItems:
    """What was notified of pushes, in the module's table.

    Every method raises CallError where DynamoDB refuses or does not answer, MalformedItemError where somebody edited an
    item, and OutOfTimeError where the invocation would end first.
    """

    def __init__(self, api: Api, table: str) -> None:
        self._api = api
        self._table = table

    def read(self, keys: Iterable[str]) -> dict[str, Progress]:
        """Those of pushes that are there, by their keys."""
        found: dict[str, Progress] = {}
        for batch in batched(dict.fromkeys(keys), _KEYS_PER_GET):
            wanted = [{"target": {"S": _PARTITION}, "item": {"S": key}} for key in batch]
            request: Mapping[str, Any] = {self._table: {"Keys": wanted, "ConsistentRead": True}}
            while request:
                answer = self._api.call("BatchGetItem", "what was notified", {"Responses": dict}, RequestItems=request)
                found |= dict(map(_read, answer["Responses"].get(self._table, ())))
                request = answer.get("UnprocessedKeys") or {}
        return found

    def all(self) -> dict[str, Progress]:
        """Those of all pushes of late, by their keys."""
        found: dict[str, Progress] = {}
        page: dict[str, Any] = {}
        while True:
            answer = self._api.call(
                "Query",
                "what was notified",
                {"Items": [dict]},
                TableName=self._table,
                KeyConditionExpression="#target = :target",
                ExpressionAttributeNames={"#target": "target"},
                ExpressionAttributeValues={":target": {"S": _PARTITION}},
                ConsistentRead=True,
                **page,
            )
            found |= dict(map(_read, answer["Items"]))
            if "LastEvaluatedKey" not in answer:
                return found
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def write(self, changed: Progress, now: datetime) -> Progress:
        """Write one; gives it as the table holds it now.

        Raises:
            OvertakenError: another writer was quicker.

        """
        values: dict[str, Any] = {}
        if changed.version:
            values = {"ExpressionAttributeValues": {":version": {"N": str(changed.version)}}}
        item = {
            "target": {"S": _PARTITION},
            "item": {"S": changed.key},
            "version": {"N": str(changed.version + 1)},
            "progress": {"S": json.dumps(progress.to_json(changed))},
            "expires": {"N": str(int((now + changed.kept).timestamp()))},
        }
        condition = "version = :version" if changed.version else "attribute_not_exists(version)"
        try:
            self._api.call(
                "PutItem",
                "what was notified",
                {},
                TableName=self._table,
                Item=item,
                ConditionExpression=condition,
                **values,
            )
        except CallError as error:
            if error.code == _CONDITION_FAILED:
                raise OvertakenError(changed.key) from error
            raise
        return changed._replace(version=changed.version + 1)


def _read(item: Mapping[str, Any]) -> tuple[str, Progress]:
    name = item["item"]["S"]
    try:
        return name, progress.from_json(json.loads(item["progress"]["S"]), int(item["version"]["N"]))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        key = f"{_PARTITION}, {name}"
        raise MalformedItemError(key, error) from error
