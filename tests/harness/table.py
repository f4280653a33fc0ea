"""A strict double of one DynamoDB table, for tests: the module's memory.

It speaks DynamoDB's wire protocol and knows the operations that the product uses, no others. A real boto3 client signs,
writes and parses for real, without a socket.

    table = StrictTable(clock=ecs.clock, lifeline=ecs.lifeline)
    client = table.client()
    client.put_item(TableName=table.name, Item={"target": {"S": "prod/api"}, "item": {"S": "desired"}})
    assert table.items()["prod/api", "desired"]

moto's DynamoDB takes some 3 ms for a read and a transaction, and takes what DynamoDB refuses: values that no expression
names, for one. What a client sees is the API reference's: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
"""

from __future__ import annotations

import copy
import enum
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.harness import expressions
from tests.harness.expressions import BadExpressionError, Placeholders
from tests.harness.strict_ecs import Answer, Call, Clock, Died, Lifeline, SystemClock, transports
from tests.harness.strict_ecs.clients import lend_client
from tests.harness.strict_ecs.faults import AnswerLost, ConnectionReset, Injection, due_fault
from tests.harness.strict_ecs.validation import operation_model, problems

if TYPE_CHECKING:
    from botocore.client import BaseClient

Json = dict[str, Any]
Key = tuple[str, str]
Snapshot = Mapping[Key, Json]

PARTITION, RANGE, TTL = "target", "item", "expires"
MAX_BATCH = 100
MAX_TRANSACTION = 100
MAX_ITEM_BYTES = 400 * 1024
MAX_PAGE_BYTES = 1024 * 1024
MAX_BATCH_BYTES = 16 * 1024 * 1024
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_KEY_BYTES = {PARTITION: 2048, RANGE: 1024}
TOKEN_SECONDS = 600
"""How long a ClientRequestToken makes a transaction idempotent."""

_HEADERS = {"Content-Type": "application/x-amz-json-1.0"}
_CONDITION_MEMBERS = frozenset(
    {
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValuesOnConditionCheckFailure",
        "TableName",
    }
)
_ONE_WRITE = _CONDITION_MEMBERS | {"ReturnValues"}
# What the product may say. The rest is DynamoDB's older dialect, or would be something new for the double to learn.
_MEMBERS: dict[str, frozenset[str]] = {
    "BatchGetItem": frozenset({"RequestItems"}),
    "DeleteItem": _ONE_WRITE | {"Key"},
    "PutItem": _ONE_WRITE | {"Item"},
    "Query": frozenset(
        {
            "TableName",
            "ConsistentRead",
            "ExclusiveStartKey",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "KeyConditionExpression",
            "Limit",
            "ProjectionExpression",
            "ScanIndexForward",
        }
    ),
    "TransactWriteItems": frozenset({"TransactItems", "ClientRequestToken"}),
    "UpdateItem": _ONE_WRITE | {"Key", "UpdateExpression"},
}
OPERATIONS = frozenset(_MEMBERS)
WRITES = OPERATIONS - {"BatchGetItem", "Query"}


class TableFault(enum.Enum):
    """One way for a call to fail."""

    THROTTLING = "throttling"
    THROUGHPUT = "throughput"
    INTERNAL = "internal"
    CONNECTION_RESET = "connection_reset"
    TIMEOUT_AFTER_WRITE = "timeout_after_write"
    MALFORMED = "malformed"
    ACCESS_DENIED = "access_denied"
    NOT_FOUND = "not_found"
    UNPROCESSED = "unprocessed"
    CONFLICT = "conflict"

    def can_hit(self, operation: str) -> bool:
        """Whether DynamoDB could answer this operation so."""
        return operation in {TableFault.UNPROCESSED: {"BatchGetItem"}, TableFault.CONFLICT: WRITES}.get(
            self, OPERATIONS
        )


class DynamoDBError(Exception):
    """An error that DynamoDB answers: its code, its message, its HTTP status and what else is in it."""

    def __init__(self, code: str, message: str, status: int = 400, **members: object) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        # Coral's spelling of `message` differs between the errors; botocore reads both.
        self.members: Json = {"message": message, **members}


def _invalid(message: str) -> DynamoDBError:
    return DynamoDBError("ValidationException", message)


def _house_rule(message: str) -> DynamoDBError:
    return _invalid(f"House rule of the strict table: {message}")


def _condition_failed(old: Json | None) -> DynamoDBError:
    error = DynamoDBError("ConditionalCheckFailedException", "The conditional request failed")
    if old is not None:
        error.members["Item"] = old
    return error


def _not_found() -> DynamoDBError:
    return DynamoDBError("ResourceNotFoundException", "Requested resource not found")


def _canceled(reasons: list[Json]) -> DynamoDBError:
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return DynamoDBError("TransactionCanceledException", message, Message=message, CancellationReasons=reasons)


class StrictTable:
    """A table with the partition key `target` and the range key `item`, both texts, and the TTL attribute `expires`.

    `latency` is slept on the clock in every call. The methods below `expire` are the owner's: they set up and look, are
    not recorded and never fail by a fault. Expired items stay until `expire`, as DynamoDB may keep them for days.
    """

    def __init__(  # noqa: PLR0913 - all by name, all optional
        self,
        name: str = "ecr-deploy",
        *,
        account_id: str = "123456789012",
        region: str = "eu-west-1",
        clock: Clock | None = None,
        lifeline: Lifeline | None = None,
        latency: float = 0.0,
    ) -> None:
        self.name = name
        self.region = region
        self.arn = f"arn:aws:dynamodb:{region}:{account_id}:table/{name}"
        self.caller = f"arn:aws:sts::{account_id}:assumed-role/ecr-deploy-{region}/ecr-deploy"
        self.clock: Clock = clock or SystemClock()
        self.lifeline = lifeline or Lifeline()
        """What counts the calls of the process: give it the strict ECS's, so that a death can hit either's calls."""
        self.latency = latency
        self.calls: list[Call] = []
        """Every call that arrived, in order, whatever became of it."""
        self.writes: list[Call] = []
        """The calls that changed something, in order, whether or not their answer arrived."""
        self._items: defaultdict[str, dict[str, Json]] = defaultdict(dict)
        self._dropped = False
        self._tokens: dict[str, tuple[float, Json]] = {}
        self._injections: list[Injection[TableFault]] = []
        self._failing: TableFault | None = None
        self._lock = threading.RLock()

    # The wire

    def handle(self, operation: str, body: bytes) -> Answer:
        """Answer one call. Raises ConnectionReset, AnswerLost or Died where there is no answer."""
        dies_after = self.lifeline.count_down(operation)
        if self.latency:
            self.clock.sleep(self.latency)
        with self._lock:
            try:
                answer = self._answer(operation, body)
            except DynamoDBError as error:
                answer = _write(
                    error.status, {"__type": f"com.amazonaws.dynamodb.v20120810#{error.code}", **error.members}
                )
        if dies_after:
            message = f"after {operation}"
            raise Died(message)
        return answer

    def client(self, **kwargs: object) -> BaseClient:
        """Make a boto3 client whose every call ends here. It does not retry unless its `config` says so."""
        client = lend_client("dynamodb", self.region, **kwargs)
        self.attach(client)
        return client

    def attach(self, client: BaseClient) -> None:
        """Take over the calls of a boto3 client, from another double too."""
        transports.attach(client, self.handle)

    def count(self, operation: str) -> int:
        """Tell how many calls of an operation arrived."""
        return sum(call.operation == operation for call in self.calls)

    # What goes wrong

    def inject(self, operation: str, fault: TableFault, nth: int = 1, *, times: int = 1) -> None:
        """Let the nth call of an operation from now fail, and the calls after it, so many times in all."""
        if not fault.can_hit(operation):
            message = f"DynamoDB never answers {operation} with {fault.value}"
            raise ValueError(message)
        with self._lock:
            self._injections.append(Injection(operation, fault, nth - 1, times))

    def fail(self, fault: TableFault) -> None:
        """Let every call fail, until the table is healed: unreachable, throttled, denied."""
        with self._lock:
            self._failing = fault

    def heal(self) -> None:
        """Call off every fault that has not hit yet, and what `fail` began."""
        with self._lock:
            self._injections.clear()
            self._failing = None

    def expire(self) -> None:
        """Do what DynamoDB does within days: delete the items whose `expires` is past."""
        with self._lock:
            now = self.clock.time()
            for key, item in self.items().items():
                if float(item.get(TTL, {}).get("N", "inf")) < now:
                    self._store(key, None)

    # The owner

    def items(self) -> dict[Key, Json]:
        """Give all items, by target and item, as DynamoDB's JSON."""
        with self._lock:
            return {
                (target, name): copy.deepcopy(item)
                for target, items in self._items.items()
                for name, item in items.items()
            }

    def put(self, item: Json) -> None:
        """Write an item as a person would."""
        with self._lock:
            self._store(_key_of_item(item), copy.deepcopy(item))

    def delete(self, target: str, item: str) -> None:
        """Delete an item as a person would."""
        with self._lock:
            del self._items[target][item]

    def snapshot(self) -> Snapshot:
        """Take a backup."""
        return self.items()

    def restore(self, snapshot: Snapshot) -> None:
        """Put a backup in the table's place, also where the table is gone."""
        with self._lock:
            self._items.clear()
            self._dropped = False
            for key, item in snapshot.items():
                self._store(key, copy.deepcopy(item))

    def clear(self) -> None:
        """Delete every item, or put an empty table where it is gone."""
        self.restore({})

    def drop(self) -> None:
        """Delete the table."""
        with self._lock:
            self._items.clear()
            self._dropped = True

    # Behind the scenes

    def _answer(self, operation: str, body: bytes) -> Answer:
        if operation not in OPERATIONS:
            code = "UnknownOperationException"
            raise DynamoDBError(code, operation)
        request: Json = json.loads(body)
        self.calls.append(Call(operation, request))
        fault = due_fault(self._injections, operation)
        if fault is None and self._failing is not None and self._failing.can_hit(operation):
            fault = self._failing
        self._refuse(fault, operation, request)
        _check_request(operation, request)
        unprocessed: Json = {}
        if fault is TableFault.UNPROCESSED:
            request, unprocessed = _split(request)
        answer = _OPERATIONS[operation](self, request)
        if operation in WRITES:
            self.writes.append(self.calls[-1])
        match fault:
            case TableFault.TIMEOUT_AFTER_WRITE:
                raise AnswerLost
            case TableFault.MALFORMED:
                return Answer(200, _HEADERS, b"<html>Bad Gateway</html>")
            case TableFault.UNPROCESSED:
                answer["UnprocessedKeys"] = unprocessed
        return _write(200, answer)

    def _refuse(self, fault: TableFault | None, operation: str, request: Json) -> None:
        match fault:
            case TableFault.THROTTLING:
                code, message = "ThrottlingException", "Rate exceeded"
                raise DynamoDBError(code, message)
            case TableFault.THROUGHPUT | TableFault.UNPROCESSED if (
                fault is TableFault.THROUGHPUT or _keys(request) == 1
            ):
                # A BatchGetItem that can give no item fails as a whole, says its page of the API reference.
                code = "ProvisionedThroughputExceededException"
                message = "The level of configured provisioned throughput for the table was exceeded."
                raise DynamoDBError(code, message)
            case TableFault.INTERNAL:
                code, message = "InternalServerError", "Internal server error"
                raise DynamoDBError(code, message, 500)
            case TableFault.CONNECTION_RESET:
                raise ConnectionReset
            case TableFault.ACCESS_DENIED:
                code = "AccessDeniedException"
                message = (
                    f"User: {self.caller} is not authorized to perform: dynamodb:{operation} on resource: {self.arn} "
                    f"because no identity-based policy allows the dynamodb:{operation} action"
                )
                raise DynamoDBError(code, message)
            case TableFault.NOT_FOUND:
                raise _not_found()
            case TableFault.CONFLICT if operation == "TransactWriteItems":
                conflict = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
                raise _canceled([conflict, *({"Code": "None"} for _ in request["TransactItems"][1:])])
            case TableFault.CONFLICT:
                code, message = "TransactionConflictException", "Transaction is ongoing for the item"
                raise DynamoDBError(code, message)

    def _check_table(self, name: str) -> None:
        if self._dropped or name != self.name:
            raise _not_found()

    def _batch_get(self, request: Json) -> Json:
        """Give up to 100 items. DynamoDB promises no order, so it is not the order of the request."""
        [(name, asked)] = request["RequestItems"].items()
        if len(asked["Keys"]) > MAX_BATCH:
            message = (
                f"1 validation error detected: Value at 'requestItems.{name}.member.keys' failed to satisfy "
                f"constraint: Member must have length less than or equal to {MAX_BATCH}"
            )
            raise _invalid(message)
        self._check_table(name)
        places = Placeholders(asked.get("ExpressionAttributeNames", {}), {})
        project = _projection(asked, places)
        _check_placeholders(asked, places, "ProjectionExpression")
        keys = [_key(key) for key in asked["Keys"]]
        if len(set(keys)) < len(keys):
            message = "Provided list of item keys contains duplicates"
            raise _invalid(message)
        found: list[Json] = []
        size = 0
        for position, key in enumerate(keys):
            item = self._item(key)
            size += 0 if item is None else item_size(item)
            if size > MAX_BATCH_BYTES:
                rest = {name: {**asked, "Keys": asked["Keys"][position:]}}
                return {"Responses": {name: found[::-1]}, "UnprocessedKeys": rest}
            if item is not None:
                found.append(project(item))
        return {"Responses": {name: found[::-1]}, "UnprocessedKeys": {}}

    def _query(self, request: Json) -> Json:
        """Give the items of a target, up to the limit or to 1 MB.

        A page that ends at the limit has a LastEvaluatedKey, whether or not more items follow.
        """
        self._check_table(request["TableName"])
        places = _placeholders(request)
        project = _projection(request, places)
        target, test = _read_key_condition(request, places)
        _check_placeholders(request, places, "KeyConditionExpression", "ProjectionExpression")
        items = self._items.get(target, {})
        found = sorted((name.encode(), name) for name, item in items.items() if test(item))
        if not request.get("ScanIndexForward", True):
            found.reverse()
        if "ExclusiveStartKey" in request:
            start = _key(request["ExclusiveStartKey"])[1].encode()
            found = [
                one for one in found if (one[0] > start) is request.get("ScanIndexForward", True) and one[0] != start
            ]
        page: list[Json] = []
        size, last = 0, None
        for _, name in found:
            page.append(project(items[name]))
            size += item_size(items[name])
            if len(page) == request.get("Limit") or size > MAX_PAGE_BYTES:
                last = {PARTITION: {"S": target}, RANGE: {"S": name}}
                break
        answer: Json = {"Items": page, "Count": len(page), "ScannedCount": len(page)}
        return answer if last is None else {**answer, "LastEvaluatedKey": last}

    def _put(self, request: Json) -> Json:
        return self._write_one("Put", request, ("NONE", "ALL_OLD"))

    def _delete(self, request: Json) -> Json:
        return self._write_one("Delete", request, ("NONE", "ALL_OLD"))

    def _update(self, request: Json) -> Json:
        return self._write_one("Update", request, ("NONE", "ALL_OLD", "ALL_NEW"))

    def _write_one(self, action: str, request: Json, returns: tuple[str, ...]) -> Json:
        wanted = request.get("ReturnValues", "NONE")
        if wanted not in returns:
            message = "Return values set to invalid value"
            raise _invalid(message)
        key, change = self._prepare(action, request)
        old, new = change()
        self._store(key, new)
        item = {"ALL_OLD": old, "ALL_NEW": new}.get(wanted)
        return {} if item is None else {"Attributes": item}

    def _transact(self, request: Json) -> Json:
        """Do all of up to 100 writes, or none."""
        actions = [next(iter(one.items())) for one in request["TransactItems"]]
        if len(actions) > MAX_TRANSACTION:
            message = (
                "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAX_TRANSACTION}"
            )
            raise _invalid(message)
        if any(len(one) != 1 for one in request["TransactItems"]):
            message = "TransactItems can only contain one of Check, Put, Update or Delete"
            raise _invalid(message)
        prepared = [self._prepare(*action) for action in actions]
        if len({key for key, _ in prepared}) < len(prepared):
            message = "Transaction request cannot include multiple operations on one item"
            raise _invalid(message)
        if self._is_done(request):
            return {}
        reasons: list[Json] = []
        changes: dict[Key, Json | None] = {}
        for key, change in prepared:
            try:
                changes[key] = change()[1]
                reasons.append({"Code": "None"})
            except DynamoDBError as error:
                reason = {"Code": _REASONS[error.code], "Message": error.members["message"]}
                reasons.append(reason | ({"Item": error.members["Item"]} if "Item" in error.members else {}))
        if any(reason["Code"] != "None" for reason in reasons):
            raise _canceled(reasons)
        if sum(item_size(item) for item in changes.values() if item is not None) > MAX_TRANSACTION_BYTES:
            message = "Transaction request size exceeds the 4 MB limit"
            raise _invalid(message)
        for key, item in changes.items():
            self._store(key, item)
        self._tokens[request.get("ClientRequestToken", "")] = self.clock.time(), request
        return {}

    def _is_done(self, request: Json) -> bool:
        token = request.get("ClientRequestToken", "")
        at, done = self._tokens.get(token, (float("-inf"), {}))
        if not token or self.clock.time() - at > TOKEN_SECONDS:
            return False
        if done != request:
            code = "IdempotentParameterMismatchException"
            raise DynamoDBError(code, "The request uses the same client token with different parameters.")
        return True

    def _store(self, key: Key, item: Json | None) -> None:
        target, name = key
        if item is None:
            self._items[target].pop(name, None)
        else:
            self._items[target][name] = item

    def _item(self, key: Key) -> Json | None:
        return self._items.get(key[0], {}).get(key[1])

    def _prepare(self, action: str, request: Json) -> tuple[Key, Callable[[], tuple[Json | None, Json | None]]]:
        """Check one write; give its key, and what gives the item before and after if the condition holds."""
        self._check_table(request["TableName"])
        places = _placeholders(request)
        if action == "Put":
            _check_values(request["Item"])
            _check_size(request["Item"])
        key = _key_of_item(request["Item"]) if action == "Put" else _key(request["Key"])
        condition = None
        if "ConditionExpression" in request:
            condition = _parsed("ConditionExpression", expressions.condition, request["ConditionExpression"])
            _resolve("ConditionExpression", condition.check, places)
        elif action == "ConditionCheck":
            message = "The expression can not be empty;"
            raise _invalid(message)
        update = _read_update(request, places) if action == "Update" else None
        _check_placeholders(request, places, "ConditionExpression", "UpdateExpression")

        def change() -> tuple[Json | None, Json | None]:
            old = self._item(key)
            if condition is not None and not condition.test(old or {}, places):
                wants_old = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
                raise _condition_failed(old if wants_old else None)
            match action:
                case "Put":
                    return old, _normalized(request["Item"])
                case "Update":
                    return old, _updated(old or copy.deepcopy(request["Key"]), update or ({}, set()))
                case "Delete":
                    return old, None
                case _:
                    return old, old

        return key, change


_OPERATIONS: dict[str, Callable[[StrictTable, Json], Json]] = {
    "BatchGetItem": StrictTable._batch_get,  # noqa: SLF001 - this file's own
    "DeleteItem": StrictTable._delete,  # noqa: SLF001
    "PutItem": StrictTable._put,  # noqa: SLF001
    "Query": StrictTable._query,  # noqa: SLF001
    "TransactWriteItems": StrictTable._transact,  # noqa: SLF001
    "UpdateItem": StrictTable._update,  # noqa: SLF001
}


_REASONS = {"ConditionalCheckFailedException": "ConditionalCheckFailed", "ValidationException": "ValidationError"}


def _check_request(operation: str, request: Json) -> None:
    for path, kind in problems(operation_model(operation, "dynamodb").input_shape, request):
        if kind == "type":
            code = "SerializationException"
            raise DynamoDBError(code, f"{path} has a value of the wrong type.")
        message = f"1 validation error detected: {path} is {kind}"
        raise _invalid(message)
    parts = [(operation, request, _MEMBERS[operation])]
    if operation == "TransactWriteItems":
        more = {"Put": {"Item"}, "Update": {"Key", "UpdateExpression"}, "Delete": {"Key"}, "ConditionCheck": {"Key"}}
        parts += [
            (action, part, _CONDITION_MEMBERS | more[action])
            for one in request["TransactItems"]
            for action, part in one.items()
        ]
    if operation == "BatchGetItem":
        known = frozenset({"Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"})
        parts += [(operation, part, known) for part in request["RequestItems"].values()]
    for what, part, members in parts:
        foreign = sorted(part.keys() - members)
        if foreign:
            message = f"{what} with {', '.join(foreign)}: teach the double first."
            raise _house_rule(message)


def _keys(request: Json) -> int:
    return sum(len(asked["Keys"]) for asked in request["RequestItems"].values())


def _split(request: Json) -> tuple[Json, Json]:
    """Give a BatchGetItem of the first half of the keys, and the UnprocessedKeys for the others."""
    [(name, asked)] = request["RequestItems"].items()
    middle = len(asked["Keys"]) // 2
    first, others = asked["Keys"][:middle], asked["Keys"][middle:]
    return {"RequestItems": {name: {**asked, "Keys": first}}}, {name: {**asked, "Keys": others}}


def _placeholders(request: Json) -> Placeholders:
    return Placeholders(request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {}))


def _check_placeholders(request: Json, places: Placeholders, *members: str) -> None:
    if not any(member in request for member in members):
        for given in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            if given in request:
                message = f"{given} can only be specified when using expressions"
                raise _invalid(message)
    for value in request.get("ExpressionAttributeValues", {}).values():
        _check_values({"": value})
    unused = places.unused()
    if unused:
        raise _invalid(unused)


def _parsed(member: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except BadExpressionError as error:
        message = f"Invalid {member}: {error}"
        raise _invalid(message) from None


def _resolve(member: str, check: Callable[[Placeholders], None], places: Placeholders) -> None:
    try:
        check(places)
    except BadExpressionError as error:
        message = f"Invalid {member}: {error}"
        raise _invalid(message) from None


def _projection(request: Json, places: Placeholders) -> Callable[[Json], Json]:
    if "ProjectionExpression" not in request:
        return copy.copy
    words = _parsed("ProjectionExpression", expressions.projection, request["ProjectionExpression"])
    names: set[str] = set()
    _resolve("ProjectionExpression", lambda given: names.update(map(given.name, words)), places)
    return lambda item: {name: value for name, value in item.items() if name in names}


def _read_update(request: Json, places: Placeholders) -> tuple[Json, set[str]]:
    """Give what an update sets and what it removes. Without an expression the item is only made sure to be there."""
    if "UpdateExpression" not in request:
        return {}, set()
    parsed = _parsed("UpdateExpression", expressions.update, request["UpdateExpression"])
    sets: list[tuple[str, Json]] = []
    removes: list[str] = []

    def resolve(given: Placeholders) -> None:
        sets.extend((given.name(word), given.value(value)) for word, value in parsed.sets)
        removes.extend(map(given.name, parsed.removes))

    _resolve("UpdateExpression", resolve, places)
    names = [name for name, _ in sets] + removes
    for name in names:
        if name in (PARTITION, RANGE):
            message = (
                f"One or more parameter values were invalid: Cannot update attribute {name}. "
                "This attribute is part of the key"
            )
            raise _invalid(message)
        if names.count(name) > 1:
            message = (
                "Invalid UpdateExpression: Two document paths overlap with each other; "
                f"must remove or rewrite one of these paths; path one: [{name}], path two: [{name}]"
            )
            raise _invalid(message)
    return dict(sets), set(removes)


def _updated(item: Json, change: tuple[Json, set[str]]) -> Json:
    sets, removes = change
    new = {name: value for name, value in {**item, **sets}.items() if name not in removes}
    _check_size(new, "Item size to update has exceeded the maximum allowed size")
    return _normalized(new)


def _read_key_condition(request: Json, places: Placeholders) -> tuple[str, Callable[[Json], bool]]:
    """Give the target that a query asks for, and what it asks of its items."""
    member = "KeyConditionExpression"
    asked = _parsed(member, expressions.key_condition, request.get(member, ""))
    names: list[str] = []
    values: list[Json] = []

    def resolve(given: Placeholders) -> None:
        names.append(given.name(asked.partition))
        values.append(given.value(asked.value))
        if asked.rest is not None:
            asked.rest.check(given)
            names.extend(given.name(word) for word in asked.rest.words if not word.startswith(":"))

    _resolve(member, resolve, places)
    if names not in ([PARTITION], [PARTITION, RANGE]):
        message = f"Query condition missed key schema element: {PARTITION}"
        raise _invalid(message)
    if values[0].keys() != {"S"}:
        message = "One or more parameter values were invalid: Condition parameter type does not match schema type"
        raise _invalid(message)
    rest = asked.rest
    return values[0]["S"], (lambda _: True) if rest is None else lambda item: rest.test(item, places)


def _key(key: Json) -> Key:
    if key.keys() != {PARTITION, RANGE} or any(value.keys() != {"S"} for value in key.values()):
        message = "The provided key element does not match the schema"
        raise _invalid(message)
    return _key_of_item(key)


def _key_of_item(item: Json) -> Key:
    for name in (PARTITION, RANGE):
        if name not in item:
            message = f"One or more parameter values were invalid: Missing the key {name} in the item"
            raise _invalid(message)
        [(kind, content)] = item[name].items()
        if kind != "S":
            message = (
                f"One or more parameter values were invalid: Type mismatch for key {name} expected: S actual: {kind}"
            )
            raise _invalid(message)
        if not content:
            message = (
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
                f"empty string value. Key: {name}"
            )
            raise _invalid(message)
        if len(content.encode()) > MAX_KEY_BYTES[name]:
            what = "hashkey" if name == PARTITION else "rangekey"
            message = (
                f"One or more parameter values were invalid: Size of {what} has exceeded the maximum size limit "
                f"of{MAX_KEY_BYTES[name]} bytes"
            )
            raise _invalid(message)
    return item[PARTITION]["S"], item[RANGE]["S"]


def _check_values(members: Json) -> None:
    """Refuse values that DynamoDB does not hold: of no type or of two, empty sets, numbers that are none."""
    for value in members.values():
        if len(value) != 1:
            message = (
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
                "datatypes"
            )
            raise _invalid(message)
        [(kind, content)] = value.items()
        if kind == "M":
            _check_values(content)
        elif kind == "L":
            for item in content:
                _check_values({"": item})
        elif kind in ("SS", "NS", "BS"):
            _check_set(kind, content)
        elif kind == "N":
            _check_number(content)


def _check_set(kind: str, content: list[str]) -> None:
    if not content:
        message = "One or more parameter values were invalid: An string set  may not be empty"
        raise _invalid(message)
    if len(set(content)) < len(content):
        message = f"One or more parameter values were invalid: Input collection {content} contains duplicates."
        raise _invalid(message)
    if kind == "NS":
        for text in content:
            _check_number(text)


def _check_number(text: str) -> None:
    try:
        expressions.number(text)
    except BadExpressionError as error:
        raise _invalid(str(error)) from None


def _normalized(item: Json) -> Json:
    """Give an item as DynamoDB gives it back: numbers without needless zeros."""
    return {name: _normalized_value(value) for name, value in item.items()}


def _normalized_value(value: Json) -> Json:
    [(kind, content)] = value.items()
    match kind:
        case "N":
            return {kind: _canonical(content)}
        case "NS":
            return {kind: [_canonical(text) for text in content]}
        case "L":
            return {kind: [_normalized_value(item) for item in content]}
        case "M":
            return {kind: _normalized(content)}
        case _:
            return {kind: copy.copy(content)}


def _canonical(text: str) -> str:
    number = expressions.number(text)
    return f"{number.normalize():f}" if number else "0"


def item_size(item: Mapping[str, Json]) -> int:
    """Tell the bytes that an item counts for.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Json) -> int:
    [(kind, content)] = value.items()
    return _SIZES[kind](content)


_SIZES: dict[str, Callable[[Any], int]] = {
    "S": lambda text: len(text.encode()),
    "B": len,
    "N": lambda text: len(text) // 2 + 2,
    "SS": lambda texts: sum(len(text.encode()) for text in texts),
    "BS": lambda texts: sum(map(len, texts)),
    "NS": lambda texts: sum(len(text) // 2 + 2 for text in texts),
    "L": lambda items: 3 + sum(1 + _value_size(item) for item in items),
    "M": lambda members: 3 + len(members) + item_size(members),
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
}


def _check_size(item: Json, message: str = "Item size has exceeded the maximum allowed size") -> None:
    if item_size(item) > MAX_ITEM_BYTES:
        raise _invalid(message)


def _write(status: int, answer: Json) -> Answer:
    return Answer(status, _HEADERS, json.dumps(answer).encode())
