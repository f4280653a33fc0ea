"""DynamoDB: the items of the module's table."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ecr_deploy.aws.calls import Api
from ecr_deploy.core.errors import CallError, MalformedItemError, OvertakenError, Retry

KEYS_PER_GET = 100
"""How many items one BatchGetItem reads."""
CONDITION_FAILED = "ConditionalCheckFailedException"
_TABLE_MISSING = "ResourceNotFoundException"


class Items:
    """The items of the module's table, as `name`.

    Every method raises CallError where DynamoDB refuses or does not answer, and OutOfTimeError where the invocation
    would end first.
    """

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self._name = name

    def get(self, keys: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The items of up to 100 keys, those that are there."""
        found: list[Mapping[str, Any]] = []
        request: Mapping[str, Any] = {self._name: {"Keys": keys, "ConsistentRead": True}}
        while request:
            answer = self._call(
                "BatchGetItem", "what targets are to run", {"Responses": dict}, table=False, RequestItems=request
            )
            found += answer["Responses"].get(self._name, ())
            request = answer.get("UnprocessedKeys") or {}
        return found

    def query(
        self, target: str, prefix: str = "", *, newest_first: bool = False, limit: int | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """The items of a target whose own keys begin with a prefix, in the order of those, at most so many."""
        condition, values = "#target = :target", {":target": {"S": target}}
        names = {"#target": "target"}
        if prefix:
            condition += " AND begins_with(#item, :prefix)"
            values[":prefix"], names["#item"] = {"S": prefix}, "item"
        left = limit
        page: dict[str, Any] = {"Limit": left} if left else {}
        while left is None or left > 0:
            answer = self._call(
                "Query",
                target,
                {"Items": [dict]},
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ScanIndexForward=not newest_first,
                ConsistentRead=True,
                **page,
            )
            yield from answer["Items"]
            left = None if left is None else left - len(answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"], **({"Limit": left} if left else {})}

    def put(self, target: str, item: str, version: int, *, expires: datetime | None = None, **attributes: str) -> None:
        """Write an item whose version, as it was read, is this one; 0 for none. It has the next version then.

        Raises:
            OvertakenError: another writer was quicker.

        """
        condition = "version = :version" if version else "attribute_not_exists(version)"
        values: dict[str, Any] = {"ExpressionAttributeValues": {":version": {"N": str(version)}}} if version else {}
        written = {name: {"S": text} for name, text in attributes.items()}
        if expires:
            written["expires"] = {"N": str(int(expires.timestamp()))}
        try:
            self._call(
                "PutItem",
                target,
                {},
                Item={**key_of(target, item), "version": {"N": str(version + 1)}, **written},
                ConditionExpression=condition,
                **values,
            )
        except CallError as error:
            if error.code == CONDITION_FAILED:
                raise OvertakenError(target) from error
            raise

    def _call(
        self, operation: str, subject: str, needs: Any, *, table: bool = True, **arguments: Any
    ) -> dict[str, Any]:
        named: dict[str, Any] = {"TableName": self._name} if table else {}
        try:
            return self._api.call(operation, subject, needs, **named, **arguments)
        except CallError as error:
            if error.code == _TABLE_MISSING:
                message = f"there is no table {self._name}, which the module makes: apply it"
                raise CallError(message, operation, error.code, Retry.LATER, "no-table") from error
            raise


def key_of(target: str, item: str) -> dict[str, dict[str, str]]:
    """The key of an item."""
    return {"target": {"S": target}, "item": {"S": item}}


@contextmanager
def legible(key: str) -> Iterator[None]:
    """Name the item that is read within the block, where it is not as we write it.

    Raises:
        MalformedItemError: somebody edited it.

    """
    try:
        yield
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise MalformedItemError(key, error) from error
