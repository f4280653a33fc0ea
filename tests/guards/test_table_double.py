"""The strict table agrees with moto's DynamoDB where moto is right, and refuses what only DynamoDB refuses."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.strict_ecs import Died, FakeClock, StrictEcs
from tests.harness.table import MAX_ITEM_BYTES, OPERATIONS, StrictTable, TableFault, item_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]

TABLE = "ecr-deploy"
TARGETS = ("a", "b")
NAMES = ("1", "2", "3")


def key(target: str = "a", item: str = "1") -> Json:
    return {"target": {"S": target}, "item": {"S": item}}


def refused(call: Callable[..., object], **request: object) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.fixture
def table() -> StrictTable:
    return StrictTable(clock=FakeClock())


@pytest.fixture
def client(table: StrictTable) -> Any:
    return table.client()


class TestAgainstMoto:
    """Short stories, told to both."""

    _numbers = itertools.count(1)

    @pytest.fixture
    def moto_client(self, moto: None) -> Iterator[Any]:
        del moto
        client = boto3.client("dynamodb", "eu-west-1")
        yield client
        client.close()

    keys = st.builds(key, st.sampled_from(TARGETS), st.sampled_from(NAMES))
    # Each attribute has one type: moto dies of a number that is compared with a text.
    values: ClassVar[dict[str, st.SearchStrategy[Json]]] = {
        "version": st.integers(-2, 2).map(lambda number: {"N": str(number)}),
        "body": st.sampled_from(["", "x", "xy", "é"]).map(lambda text: {"S": text}),
        "deep": st.sampled_from([{"BOOL": True}, {"L": [{"M": {"deep": {"NULL": True}}}]}, {"SS": ["x"]}]),
    }
    attributes = st.fixed_dictionaries({}, optional=values)

    @staticmethod
    @st.composite
    def conditions(draw: st.DrawFn) -> Json:
        """A condition of up to three parts, with what its placeholders stand for."""
        names: Json = {}
        values: Json = {}

        def part() -> str:
            name, attribute = f"#n{len(names)}", draw(st.sampled_from(sorted(TestAgainstMoto.values)))
            names[name] = attribute
            signs = ["=", "<>"] if attribute == "deep" else ["=", "<>", "<", "<=", ">", ">="]
            kind = draw(st.sampled_from(["attribute_exists", "attribute_not_exists", *signs]))
            if kind.startswith("attribute"):
                return f"{kind}({name})"
            value = f":v{len(values)}"
            # moto compares an attribute that is not there as it likes.
            values[value] = draw(TestAgainstMoto.values[attribute])
            return f"(attribute_exists({name}) AND {name} {kind} {value})"

        text = part()
        for _ in range(draw(st.integers(0, 2))):
            text = f"{text} {draw(st.sampled_from(['AND', 'OR']))} {draw(st.sampled_from(['', 'NOT ']))}{part()}"
        placed = {"ExpressionAttributeNames": names} | ({"ExpressionAttributeValues": values} if values else {})
        return {"ConditionExpression": text, **placed}

    @staticmethod
    @st.composite
    def writes(draw: st.DrawFn) -> tuple[str, Json]:
        """One write, as a part of a transaction."""
        kind = draw(st.sampled_from(["Put", "Update", "Delete", "ConditionCheck"]))
        condition = draw(TestAgainstMoto.conditions()) if kind == "ConditionCheck" or draw(st.booleans()) else {}
        where = draw(TestAgainstMoto.keys)
        if kind == "Put":
            return kind, {"Item": where | draw(TestAgainstMoto.attributes), **condition}
        if kind != "Update":
            return kind, {"Key": where, **condition}
        sets = draw(TestAgainstMoto.attributes.filter(bool))
        removes = sorted(TestAgainstMoto.values.keys() - sets.keys()) if draw(st.booleans()) else []
        text = "SET " + ", ".join(f"{name} = :new_{name}" for name in sets)
        text += f" REMOVE {', '.join(removes)}" if removes else ""
        values = {f":new_{name}": value for name, value in sets.items()}
        return kind, {
            "Key": where,
            "UpdateExpression": text,
            **condition,
            "ExpressionAttributeValues": {**condition.get("ExpressionAttributeValues", {}), **values},
        }

    steps = st.one_of(
        writes().filter(lambda write: write[0] != "ConditionCheck"),
        st.lists(writes(), min_size=1, max_size=3).map(lambda parts: ("Transact", parts)),
    )

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(story=st.lists(steps, min_size=1, max_size=6), pages=st.integers(1, 4), forward=st.booleans())
    def test_same_story_same_end(self, moto_client: Any, story: list[Any], pages: int, *, forward: bool) -> None:
        name = f"table-{next(self._numbers)}"
        moto_client.create_table(
            TableName=name,
            KeySchema=[
                {"AttributeName": "target", "KeyType": "HASH"},
                {"AttributeName": "item", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "target", "AttributeType": "S"},
                {"AttributeName": "item", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        double = StrictTable(name).client()
        both = (double, moto_client)
        for step, content in story:
            mine, theirs = (perform(client, name, step, content) for client in both)
            assert mine == theirs, (step, content)
        mine, theirs = (everything(client, name, pages, forward=forward) for client in both)
        assert mine == theirs


def perform(client: Any, table: str, step: str, content: Any) -> object:
    """Do one step; give what came of it as far as moto and DynamoDB agree about it."""
    try:
        if step == "Transact":
            items = [
                {kind: {"TableName": table, "ReturnValuesOnConditionCheckFailure": "ALL_OLD", **request}}
                for kind, request in content
            ]
            client.transact_write_items(TransactItems=items)
            return None
        more = {"ReturnValues": "ALL_NEW" if step == "Update" else "ALL_OLD"}
        call = {"Put": client.put_item, "Update": client.update_item, "Delete": client.delete_item}[step]
        answer = call(TableName=table, ReturnValuesOnConditionCheckFailure="ALL_OLD", **more, **content)
        return answer.get("Attributes")
    except ClientError as error:
        reasons = [
            (reason["Code"], reason.get("Item") or None) for reason in error.response.get("CancellationReasons", [])
        ]
        return error.response["Error"]["Code"], error.response.get("Item") or None, reasons


def everything(client: Any, table: str, size: int, *, forward: bool) -> object:
    """Read all items in both ways."""
    keys = [key(target, name) for target in TARGETS for name in NAMES]
    answer = client.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    found = sorted(answer["Responses"][table], key=lambda item: (item["target"]["S"], item["item"]["S"]))
    pages = [list(queried(client, table, target, size, forward=forward)) for target in TARGETS]
    return found, answer["UnprocessedKeys"], pages


def queried(client: Any, table: str, target: str, size: int, *, forward: bool) -> Iterator[Json]:
    request: Json = {
        "TableName": table,
        "KeyConditionExpression": "target = :t",
        "ExpressionAttributeValues": {":t": {"S": target}},
        "ScanIndexForward": forward,
    }
    for page in client.get_paginator("query").paginate(**request, PaginationConfig={"PageSize": size}):
        yield from page["Items"]


class TestReads:
    def test_up_to_a_hundred(self, client: Any) -> None:
        keys = [key(item=str(number)) for number in range(101)]
        assert client.batch_get_item(RequestItems={TABLE: {"Keys": keys[:100]}})["Responses"] == {TABLE: []}
        code, message = refused(client.batch_get_item, RequestItems={TABLE: {"Keys": keys}})
        assert code == "ValidationException"
        assert "less than or equal to 100" in message
        code, message = refused(client.batch_get_item, RequestItems={TABLE: {"Keys": keys[:1] * 2}})
        assert (code, message) == ("ValidationException", "Provided list of item keys contains duplicates")

    def test_another_order_and_projection(self, client: Any) -> None:
        for number in range(3):
            client.put_item(
                TableName=TABLE, Item=key(item=str(number)) | {"status": {"S": str(number)}, "other": {"S": "y"}}
            )
        asked = {"ProjectionExpression": "#s, target", "ExpressionAttributeNames": {"#s": "status"}}
        request = {TABLE: {"Keys": [key(item=str(number)) for number in range(3)], **asked}}
        items = client.batch_get_item(RequestItems=request)["Responses"][TABLE]
        assert [item["status"]["S"] for item in items] == ["2", "1", "0"]
        assert items[0].keys() == {"target", "status"}

    def test_pages_end_at_the_limit_and_at_one_megabyte(self, client: Any) -> None:
        for number in range(5):
            client.put_item(TableName=TABLE, Item=key(item=str(number)) | {"body": {"S": "x" * 300_000}})
        request: Json = {
            "TableName": TABLE,
            "KeyConditionExpression": "target = :t AND #i >= :from",
            "ExpressionAttributeNames": {"#i": "item"},
            "ExpressionAttributeValues": {":t": {"S": "a"}, ":from": {"S": "1"}},
            "ScanIndexForward": False,
        }
        page = client.query(**request, Limit=4)
        assert [item["item"]["S"] for item in page["Items"]] == ["4", "3", "2", "1"]
        # As DynamoDB does, although nothing follows.
        assert page["LastEvaluatedKey"] == key(item="1")
        rest = client.query(**request, ExclusiveStartKey=page["LastEvaluatedKey"])
        assert (rest["Items"], rest.keys() & {"LastEvaluatedKey"}) == ([], set())
        request["ExpressionAttributeValues"][":from"] = {"S": "0"}
        assert [page["Count"] for page in client.get_paginator("query").paginate(**request)] == [4, 1]

    @pytest.mark.parametrize(
        "condition", ["#i = :t", "target > :t", "target = :t OR #i = :t", "target = :t AND NOT #i = :t", "target = :u"]
    )
    def test_a_query_needs_a_target(self, client: Any, condition: str) -> None:
        names = {"ExpressionAttributeNames": {"#i": "item"}} if "#i" in condition else {}
        code, _ = refused(
            client.query,
            TableName=TABLE,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={":t": {"S": "a"}},
            **names,
        )
        assert code == "ValidationException"

    def test_unprocessed_keys(self, table: StrictTable, client: Any) -> None:
        keys = [key(item=name) for name in NAMES]
        for item in keys:
            table.put(item)
        table.inject("BatchGetItem", TableFault.UNPROCESSED, times=2)
        answer = client.batch_get_item(RequestItems={TABLE: {"Keys": keys, "ConsistentRead": True}})
        assert answer["Responses"][TABLE] == keys[:1]
        assert answer["UnprocessedKeys"] == {TABLE: {"Keys": keys[1:], "ConsistentRead": True}}
        # Where none can be processed, the call fails as a whole.
        code, _ = refused(client.batch_get_item, RequestItems={TABLE: {"Keys": keys[:1]}})
        assert code == "ProvisionedThroughputExceededException"


class TestRefusals:
    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            ({"Item": {"target": {"S": "a"}}}, "Missing the key item in the item"),
            ({"Item": key(item="")}, "cannot contain an empty string value. Key: item"),
            ({"Item": key(target="")}, "cannot contain an empty string value. Key: target"),
            ({"Item": key(target="é" * 1025)}, "Size of hashkey has exceeded"),
            ({"Item": key(item="x" * 1025)}, "Size of rangekey has exceeded"),
            ({"Item": key() | {"item": {"N": "1"}}}, "Type mismatch for key item expected: S actual: N"),
            ({"Item": key() | {"body": {"S": "x" * MAX_ITEM_BYTES}}}, "Item size has exceeded"),
            ({"Item": key() | {"body": {"SS": []}}}, "may not be empty"),
            ({"Item": key() | {"body": {"L": [{"M": {"deep": {"SS": ["x", "x"]}}}]}}}, "contains duplicates"),
            ({"Item": key() | {"body": {"N": "one"}}}, "cannot be converted to a numeric value: one"),
            ({"Item": key() | {"body": {"NS": ["one"]}}}, "cannot be converted to a numeric value: one"),
            ({"ConditionExpression": ""}, "Invalid ConditionExpression: The expression can not be empty;"),
            ({"ConditionExpression": "a = = b"}, 'Syntax error; token: "="'),
            ({"ConditionExpression": "a = b)"}, 'Syntax error; token: ")"'),
            ({"ConditionExpression": "a ~ b"}, 'Syntax error; token: "~"'),
            ({"ConditionExpression": "(a = b"}, 'Syntax error; token: "<EOF>"'),
            ({"ConditionExpression": "exists(a)"}, "Invalid function name; function: exists"),
            ({"ConditionExpression": "attribute_exists(status)"}, "reserved keyword: status"),
            ({"ConditionExpression": "attribute_exists(#a)"}, "is not defined; attribute name: #a"),
            ({"ConditionExpression": "a = :a"}, "is not defined; attribute value: :a"),
            ({"ConditionExpression": "attribute_exists(a) OR a = :a"}, "is not defined; attribute value: :a"),
            (
                {"ConditionExpression": "a < :a", "ExpressionAttributeValues": {":a": {"BOOL": True}}},
                "operator: <, operand type: BOOL",
            ),
            (
                {"ConditionExpression": "attribute_exists(a)", "ExpressionAttributeNames": {"#b": "b"}},
                "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}",
            ),
            (
                {"ConditionExpression": "attribute_exists(a)", "ExpressionAttributeValues": {":b": {"S": "b"}}},
                "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}",
            ),
            ({"ExpressionAttributeNames": {"#b": "b"}}, "can only be specified when using expressions"),
            ({"ExpressionAttributeValues": {":b": {"S": "b"}}}, "can only be specified when using expressions"),
            ({"ReturnValues": "ALL_NEW"}, "Return values set to invalid value"),
            ({"Expected": {}}, "House rule of the strict table: PutItem with Expected"),
        ],
    )
    def test_of_a_put(self, table: StrictTable, client: Any, request_: Json, message: str) -> None:
        code, text = refused(client.put_item, **{"TableName": TABLE, "Item": key(), **request_})
        assert code == "ValidationException"
        assert message in text
        assert table.items() == {}
        assert table.writes == []

    @pytest.mark.parametrize(
        ("update", "message"),
        [
            ("SET target = :v", "Cannot update attribute target. This attribute is part of the key"),
            ("SET a = :v, a = :v", "Two document paths overlap"),
            ("SET a = :v REMOVE a", "Two document paths overlap"),
            ("SET a = :v SET b = :v", 'The "SET" section can only be used once'),
            ("SET a = a + :v", "Syntax error"),
            ("ADD a :v", "Syntax error"),
            ("SET a = :v,", "Syntax error"),
            ("SET status = :v", "reserved keyword: status"),
            ("SET item = :v", "reserved keyword: item"),
            ("SET a = :big", "Item size to update has exceeded"),
        ],
    )
    def test_of_an_update(self, table: StrictTable, client: Any, update: str, message: str) -> None:
        table.put(key() | {"body": {"S": "x" * 300_000}})
        name = ":big" if ":big" in update else ":v"
        code, text = refused(
            client.update_item,
            TableName=TABLE,
            Key=key(),
            UpdateExpression=update,
            ExpressionAttributeValues={name: {"S": "x" * 200_000}},
        )
        assert code == "ValidationException"
        assert message in text
        assert table.items()["a", "1"].keys() == {"target", "item", "body"}

    @pytest.mark.parametrize(
        "wrong", [{"target": {"S": "a"}}, key() | {"more": {"S": "x"}}, key() | {"item": {"N": "1"}}]
    )
    def test_keys_must_be_the_tables(self, client: Any, wrong: Json) -> None:
        for call in (client.delete_item, client.update_item):
            refusal = refused(call, TableName=TABLE, Key=wrong)
            assert refusal == ("ValidationException", "The provided key element does not match the schema")
        assert refused(client.batch_get_item, RequestItems={TABLE: {"Keys": [wrong]}})[0] == "ValidationException"

    def test_numbers_are_compared_by_what_they_are_worth(self, table: StrictTable, client: Any) -> None:
        client.put_item(TableName=TABLE, Item=key() | {"version": {"N": "9.0"}})
        assert table.items()["a", "1"]["version"] == {"N": "9"}
        client.put_item(
            TableName=TABLE,
            Item=key(),
            ConditionExpression="version = :nine AND version < :ten",
            ExpressionAttributeValues={":nine": {"N": "9.00"}, ":ten": {"N": "10"}},
        )

    @pytest.mark.parametrize(("sign", "holds"), [("=", False), ("<>", True), ("<", False), (">=", False)])
    def test_what_is_not_there_is_unlike_everything(self, client: Any, sign: str, *, holds: bool) -> None:
        request = {
            "TableName": TABLE,
            "Item": key(),
            "ConditionExpression": f"version {sign} :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        if holds:
            client.put_item(**request)
        else:
            assert refused(client.put_item, **request)[0] == "ConditionalCheckFailedException"

    def test_other_operations(self, client: Any) -> None:
        assert refused(client.scan, TableName=TABLE)[0] == "UnknownOperationException"


class TestTransactions:
    def puts(self, *items: str, **members: object) -> list[Json]:
        return [{"Put": {"TableName": TABLE, "Item": key(item=item), **members}} for item in items]

    def test_all_or_nothing(self, table: StrictTable, client: Any) -> None:
        table.put(key(item="2"))
        new = {"ConditionExpression": "attribute_not_exists(target)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
            client.transact_write_items(TransactItems=self.puts("1", "2", **new))
        assert caught.value.response["CancellationReasons"] == [
            {"Code": "None"},
            {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": key(item="2")},
        ]
        assert caught.value.response["Error"]["Message"].endswith("[None, ConditionalCheckFailed]")
        assert table.items().keys() == {("a", "2")}

    def test_bounds(self, table: StrictTable, client: Any) -> None:
        names = [str(number) for number in range(101)]
        for parts, message in [
            (self.puts(*names), "less than or equal to 100"),
            (self.puts("1", "1"), "Transaction request cannot include multiple operations on one item"),
            ([self.puts("1")[0] | {"Delete": {"TableName": TABLE, "Key": key()}}], "can only contain one of"),
            (
                [{"Put": {"TableName": TABLE, "Item": key(item=n) | {"b": {"S": "x" * 400_000}}}} for n in names[:11]],
                "4 MB",
            ),
        ]:
            code, text = refused(client.transact_write_items, TransactItems=parts)
            assert code == "ValidationException"
            assert message in text
        assert table.items() == {}
        client.transact_write_items(TransactItems=self.puts(*names[:100]))
        assert len(table.items()) == 100

    def test_an_update_that_grows_too_large_is_a_reason(self, table: StrictTable, client: Any) -> None:
        table.put(key() | {"body": {"S": "x" * 300_000}})
        update = {
            "TableName": TABLE,
            "Key": key(),
            "UpdateExpression": "SET more = :v",
            "ExpressionAttributeValues": {":v": {"S": "x" * 200_000}},
        }
        with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
            client.transact_write_items(TransactItems=[{"Update": update}])
        assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == ["ValidationError"]

    def test_a_token_makes_it_idempotent_for_ten_minutes(self, table: StrictTable, client: Any) -> None:
        new = {"ConditionExpression": "attribute_not_exists(target)"}
        request = {"TransactItems": self.puts("1", **new), "ClientRequestToken": "token"}
        client.transact_write_items(**request)
        client.transact_write_items(**request)
        code, _ = refused(client.transact_write_items, **(request | {"TransactItems": self.puts("2", **new)}))
        assert code == "IdempotentParameterMismatchException"
        table.clock.sleep(601)
        assert refused(client.transact_write_items, **request)[0] == "TransactionCanceledException"

    def test_a_lost_answer_is_tried_again_by_boto_with_the_same_token(self, table: StrictTable) -> None:
        client = table.client(config=Config(retries={"mode": "standard", "total_max_attempts": 2}))
        table.inject("TransactWriteItems", TableFault.TIMEOUT_AFTER_WRITE)
        new = {"ConditionExpression": "attribute_not_exists(target)"}
        client.transact_write_items(TransactItems=self.puts("1", **new))
        assert table.count("TransactWriteItems") == 2


class TestFaults:
    requests: ClassVar[dict[str, tuple[str, Json]]] = {
        "BatchGetItem": ("batch_get_item", {"RequestItems": {TABLE: {"Keys": [key()]}}}),
        "DeleteItem": ("delete_item", {"TableName": TABLE, "Key": key()}),
        "PutItem": ("put_item", {"TableName": TABLE, "Item": key()}),
        "Query": (
            "query",
            {
                "TableName": TABLE,
                "KeyConditionExpression": "target = :t",
                "ExpressionAttributeValues": {":t": {"S": "a"}},
            },
        ),
        "TransactWriteItems": (
            "transact_write_items",
            {"TransactItems": [{"Delete": {"TableName": TABLE, "Key": key()}}]},
        ),
        "UpdateItem": ("update_item", {"TableName": TABLE, "Key": key()}),
    }

    @pytest.mark.parametrize("operation", sorted(OPERATIONS))
    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            (TableFault.THROTTLING, "ThrottlingException"),
            (TableFault.THROUGHPUT, "ProvisionedThroughputExceededException"),
            (TableFault.INTERNAL, "InternalServerError"),
            (TableFault.ACCESS_DENIED, "AccessDeniedException"),
            (TableFault.NOT_FOUND, "ResourceNotFoundException"),
        ],
    )
    def test_of_any_operation(
        self, table: StrictTable, client: Any, operation: str, fault: TableFault, code: str
    ) -> None:
        method, request = self.requests[operation]
        table.inject(operation, fault, nth=2)
        getattr(client, method)(**request)
        assert refused(getattr(client, method), **request)[0] == code
        getattr(client, method)(**request)
        table.fail(fault)
        assert [refused(getattr(client, method), **request)[0] for _ in range(2)] == [code] * 2
        table.heal()
        getattr(client, method)(**request)

    def test_conflicts(self, table: StrictTable, client: Any) -> None:
        table.inject("TransactWriteItems", TableFault.CONFLICT)
        table.inject("PutItem", TableFault.CONFLICT)
        with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
            client.transact_write_items(**self.requests["TransactWriteItems"][1])
        assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == ["TransactionConflict"]
        assert refused(client.put_item, **self.requests["PutItem"][1])[0] == "TransactionConflictException"
        assert table.writes == []

    def test_lost_before_and_after(self, table: StrictTable, client: Any) -> None:
        table.inject("PutItem", TableFault.CONNECTION_RESET)
        table.inject("PutItem", TableFault.TIMEOUT_AFTER_WRITE)
        with pytest.raises(ConnectionClosedError):
            client.put_item(TableName=TABLE, Item=key())
        assert table.items() == {}
        with pytest.raises(ReadTimeoutError):
            client.put_item(TableName=TABLE, Item=key())
        assert table.items() == {("a", "1"): key()}
        table.inject("Query", TableFault.MALFORMED)
        assert client.query(**self.requests["Query"][1]).keys() == {"ResponseMetadata"}

    def test_impossible_faults(self, table: StrictTable) -> None:
        for operation, fault in (("Query", TableFault.UNPROCESSED), ("BatchGetItem", TableFault.CONFLICT)):
            with pytest.raises(ValueError, match="DynamoDB never answers"):
                table.inject(operation, fault)


class TestOwner:
    def test_backup_empty_gone(self, table: StrictTable, client: Any) -> None:
        table.put(key())
        backup = table.snapshot()
        client.put_item(TableName=TABLE, Item=key() | {"version": {"N": "2"}})
        table.restore(backup)
        assert table.items() == {("a", "1"): key()}
        table.clear()
        assert table.items() == {}
        table.drop()
        for method, request in TestFaults.requests.values():
            refusal = refused(getattr(client, method), **request)
            assert refusal == ("ResourceNotFoundException", "Requested resource not found")
        table.restore(backup)
        table.delete("a", "1")
        assert client.query(**TestFaults.requests["Query"][1])["Count"] == 0

    def test_another_table_is_not_there(self, client: Any) -> None:
        assert refused(client.put_item, TableName="other", Item=key())[0] == "ResourceNotFoundException"

    def test_expired_items_stay_until_they_are_deleted(self, table: StrictTable, client: Any) -> None:
        now = int(table.clock.time())
        for item, expires in (("1", now - 1), ("2", now + 100)):
            client.put_item(TableName=TABLE, Item=key(item=item) | {"expires": {"N": str(expires)}})
        client.put_item(TableName=TABLE, Item=key(item="3"))
        assert len(table.items()) == 3
        table.expire()
        assert table.items().keys() == {("a", "2"), ("a", "3")}

    def test_sizes(self) -> None:
        item = key() | {"é": {"N": "123"}, "list": {"L": [{"BOOL": True}]}, "map": {"M": {"a": {"SS": ["xy"]}}}}
        assert item_size(item) == (6 + 1) + (4 + 1) + (2 + 3) + (4 + 3 + 2) + (3 + 3 + 1 + 1 + 2)


class TestLife:
    def test_a_death_counts_the_calls_of_both(self) -> None:
        ecs = StrictEcs(clock=FakeClock())
        table = StrictTable(clock=ecs.clock, lifeline=ecs.lifeline)
        ecs_client, client = ecs.client(), table.client()
        put = {"TableName": TABLE, "Item": key()}
        for before, items in ((True, 0), (False, 1)):
            ecs.die(3, before=before)
            ecs_client.list_clusters()
            client.delete_item(TableName=TABLE, Key=key())
            with pytest.raises(Died, match="before PutItem" if before else "after PutItem"):
                client.put_item(**put)
            with pytest.raises(Died, match="dead already"):
                ecs_client.list_clusters()
            with pytest.raises(Died, match="dead already"):
                client.put_item(**put)
            assert len(table.items()) == items
            ecs.revive()
        assert ecs.lifeline.calls == 6

    def test_another_writer_comes_between(self, table: StrictTable, client: Any) -> None:
        other = table.client()
        taken = key() | {"owner": {"S": "other"}}
        table.lifeline.interrupt(2, lambda: other.put_item(TableName=TABLE, Item=taken))
        client.batch_get_item(RequestItems={TABLE: {"Keys": [key()]}})
        refusal = refused(
            client.put_item, TableName=TABLE, Item=key(), ConditionExpression="attribute_not_exists(target)"
        )
        assert refusal[0] == "ConditionalCheckFailedException"
        assert table.items()["a", "1"] == taken

    def test_latency_passes_on_the_clock(self) -> None:
        table = StrictTable(clock=FakeClock(now=100), latency=0.5)
        client = table.client()
        client.put_item(TableName=TABLE, Item=key())
        client.put_item(TableName=TABLE, Item=key())
        assert table.clock.time() == 101
