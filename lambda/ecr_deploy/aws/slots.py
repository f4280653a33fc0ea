"""The table's items of tasks that run before services get an image: `tasks`, CLUSTER/FAMILY/CONTAINER."""

import json
from typing import Any

from ecr_deploy.aws.calls import Api
from ecr_deploy.core import tasks
from ecr_deploy.core.errors import CallError, MalformedItemError, OvertakenError
from ecr_deploy.core.tasks import Slot

_PARTITION = "tasks"
_CONDITION_FAILED = "ConditionalCheckFailedException"


class Slots:
    """The slots of tasks in the module's table.

    Every method raises CallError where DynamoDB refuses or does not answer, and OutOfTimeError where the invocation
    would end first.
    """

    def __init__(self, api: Api, table: str) -> None:
        self._api = api
        self._table = table

    def read(self) -> dict[str, Slot]:
        """All slots by their names.

        Raises:
            MalformedItemError: somebody edited one.

        """
        found: dict[str, Slot] = {}
        page: dict[str, Any] = {}
        while True:
            answer = self._api.call(
                "Query",
                "the tasks that run first",
                {"Items": [dict]},
                TableName=self._table,
                KeyConditionExpression="#target = :target",
                ExpressionAttributeNames={"#target": "target"},
                ExpressionAttributeValues={":target": {"S": _PARTITION}},
                ConsistentRead=True,
                **page,
            )
            for item in answer["Items"]:
                name = item["item"]["S"]
                try:
                    found[name] = tasks.from_json(json.loads(item["runs"]["S"]), int(item["version"]["N"]))
                except (KeyError, ValueError, TypeError) as error:
                    key = f"{_PARTITION}, {name}"
                    raise MalformedItemError(key, error) from error
            if "LastEvaluatedKey" not in answer:
                return found
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def write(self, name: str, slot: Slot) -> Slot:
        """Write a slot; gives it as the table holds it now.

        Raises:
            OvertakenError: another writer was quicker.

        """
        values: dict[str, Any] = {}
        if slot.version:
            values = {"ExpressionAttributeValues": {":version": {"N": str(slot.version)}}}
        item = {
            "target": {"S": _PARTITION},
            "item": {"S": name},
            "version": {"N": str(slot.version + 1)},
            "runs": {"S": json.dumps(tasks.to_json(slot))},
        }
        condition = "version = :version" if slot.version else "attribute_not_exists(version)"
        try:
            self._api.call(
                "PutItem",
                f"the task {name}",
                {},
                TableName=self._table,
                Item=item,
                ConditionExpression=condition,
                **values,
            )
        except CallError as error:
            if error.code == _CONDITION_FAILED:
                raise OvertakenError(name) from error
            raise
        return slot._replace(version=slot.version + 1)
