"""DynamoDB's expressions, as far as the product uses them: conditions, keys of a query, updates, projections.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

RESERVED = frozenset(ReservedKeywords.get_reserved_keywords())

Json = dict[str, Any]
Item = Mapping[str, Json]
Test = Callable[[Item, "Placeholders"], bool]
Operand = Callable[[Item, "Placeholders"], Json | None]

_TOKEN = re.compile(r"\s*(?:(?P<word>[#:]?[A-Za-z_][A-Za-z0-9_]*|[#:][A-Za-z0-9_]+)|(?P<sign><>|<=|>=|[=<>(),]))")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
_ORDERED_TYPES = frozenset({"S", "N", "B"})
_WORDS = frozenset({"and", "or", "not", "between", "in", "set", "remove", "add", "delete"})


class BadExpressionError(Exception):
    """What is wrong with an expression, in DynamoDB's words."""


class Placeholders:
    """What stands for names and values in the expressions of one request, and which of them were used."""

    def __init__(self, names: Mapping[str, str], values: Mapping[str, Json]) -> None:
        self._names = names
        self._values = values
        self._used: set[str] = set()

    def name(self, word: str) -> str:
        """Give the attribute that a word of an expression names."""
        if not word.startswith("#"):
            if word.upper() in RESERVED:
                message = f"Attribute name is a reserved keyword; reserved keyword: {word}"
                raise BadExpressionError(message)
            return word
        if word not in self._names:
            message = f"An expression attribute name used in the document path is not defined; attribute name: {word}"
            raise BadExpressionError(message)
        self._used.add(word)
        return self._names[word]

    def value(self, word: str) -> Json:
        """Give the value that a word of an expression stands for."""
        if word not in self._values:
            message = f"An expression attribute value used in expression is not defined; attribute value: {word}"
            raise BadExpressionError(message)
        self._used.add(word)
        return self._values[word]

    def unused(self) -> str | None:
        """Tell what is wrong with the placeholders that no expression named, if there are any."""
        for member, given in (("ExpressionAttributeNames", self._names), ("ExpressionAttributeValues", self._values)):
            left = [word for word in given if word not in self._used]
            if left:
                return f"Value provided in {member} unused in expressions: keys: {{{', '.join(left)}}}"
        return None


class Condition(NamedTuple):
    """A parsed condition: what it asks of an item, the words in it, and the values that it compares by order."""

    test: Test
    words: tuple[str, ...]
    ordered: tuple[tuple[str, str], ...]

    def check(self, placeholders: Placeholders) -> None:
        """Resolve every word, so that an unknown one is refused whatever the item holds."""
        for word in self.words:
            placeholders.value(word) if word.startswith(":") else placeholders.name(word)
        for sign, word in self.ordered:
            kind = next(iter(placeholders.value(word)))
            if kind not in _ORDERED_TYPES:
                message = f"Incorrect operand type for operator or function; operator: {sign}, operand type: {kind}"
                raise BadExpressionError(message)


class KeyCondition(NamedTuple):
    """A parsed condition on keys: the words for the partition key and its value, and what is asked of the range key."""

    partition: str
    value: str
    rest: Condition | None


class Update(NamedTuple):
    """A parsed update: attributes to values, and attributes to remove, as words."""

    sets: tuple[tuple[str, str], ...]
    removes: tuple[str, ...]


@functools.lru_cache(maxsize=500)
def condition(text: str) -> Condition:
    """Parse a condition. Raises BadExpressionError."""
    parser = _Parser(text)
    test = parser.any_of()
    parser.end()
    return Condition(test, tuple(parser.words), tuple(parser.ordered))


@functools.lru_cache(maxsize=100)
def key_condition(text: str) -> KeyCondition:
    """Parse `partition = :v`, alone or with AND and one condition on the range key. Raises BadExpressionError."""
    match = re.fullmatch(r"\s*(#?\w+)\s*=\s*(:\w+)\s*(?:AND\s+(.+))?", text, re.IGNORECASE | re.DOTALL)
    if match is None:
        message = "Invalid operator used in KeyConditionExpression"
        raise BadExpressionError(message)
    partition, value, rest = match.groups()
    parsed = None if rest is None else condition(rest)
    if rest is not None and re.search(r"\b(or|not|and)\b|<>", rest, re.IGNORECASE):
        message = "Invalid operator used in KeyConditionExpression"
        raise BadExpressionError(message)
    return KeyCondition(partition, value, parsed)


@functools.lru_cache(maxsize=500)
def update(text: str) -> Update:
    """Parse `SET a = :v, … REMOVE b, …`, plain values only. Raises BadExpressionError."""
    parser = _Parser(text)
    clauses: dict[str, list[tuple[str, str]]] = {}
    while (clause := parser.take().lower()) in ("set", "remove"):
        if clause in clauses:
            message = f'The "{clause.upper()}" section can only be used once in an update expression;'
            raise BadExpressionError(message)
        clauses[clause] = []
        while True:
            word, value = parser.attribute(), ""
            if clause == "set":
                parser.expect("=")
                value = parser.placeholder_value()
            clauses[clause].append((word, value))
            if parser.peek() != ",":
                break
            parser.take()
        if not parser.peek():
            return Update(tuple(clauses.get("set", ())), tuple(word for word, _ in clauses.get("remove", ())))
    raise parser.syntax_error(clause)


@functools.lru_cache(maxsize=100)
def projection(text: str) -> tuple[str, ...]:
    """Parse a list of attributes. Raises BadExpressionError."""
    parser = _Parser(text)
    words = [parser.attribute()]
    while parser.peek() == ",":
        parser.take()
        words.append(parser.attribute())
    parser.end()
    return tuple(words)


class _Parser:
    def __init__(self, text: str) -> None:
        self.words: list[str] = []
        self.ordered: list[tuple[str, str]] = []
        self._tokens: list[str] = []
        self._text = text
        rest = text.rstrip()
        if not rest:
            message = "The expression can not be empty;"
            raise BadExpressionError(message)
        position = 0
        while position < len(rest):
            match = _TOKEN.match(rest, position)
            if match is None:
                raise self.syntax_error(rest[position:].strip()[:1])
            self._tokens.append(match["word"] or match["sign"])
            position = match.end()
        self._tokens.append("")

    def syntax_error(self, token: str) -> BadExpressionError:
        return BadExpressionError(f'Syntax error; token: "{token or "<EOF>"}", near: "{self._text}"')

    def peek(self) -> str:
        return self._tokens[0]

    def take(self) -> str:
        return self._tokens.pop(0) if self._tokens[0] else ""

    def expect(self, token: str) -> None:
        taken = self.take()
        if taken != token:
            raise self.syntax_error(taken)

    def end(self) -> None:
        self.expect("")

    def attribute(self) -> str:
        word = self.take()
        if not re.fullmatch(r"#\w+|[A-Za-z_]\w*", word) or word.lower() in _WORDS:
            raise self.syntax_error(word)
        self.words.append(word)
        return word

    def placeholder_value(self) -> str:
        word = self.take()
        if not word.startswith(":"):
            raise self.syntax_error(word)
        self.words.append(word)
        return word

    def any_of(self) -> Test:
        tests = [self._all_of()]
        while self.peek().lower() == "or":
            self.take()
            tests.append(self._all_of())
        if len(tests) == 1:
            return tests[0]
        return lambda item, places: any(test(item, places) for test in tests)

    def _all_of(self) -> Test:
        tests = [self._one()]
        while self.peek().lower() == "and":
            self.take()
            tests.append(self._one())
        if len(tests) == 1:
            return tests[0]
        return lambda item, places: all(test(item, places) for test in tests)

    def _one(self) -> Test:
        token = self.peek()
        if token.lower() == "not":
            self.take()
            test = self._one()
            return lambda item, places: not test(item, places)
        if token.startswith("("):
            self.take()
            test = self.any_of()
            self.expect(")")
            return test
        if len(self._tokens) > 1 and self._tokens[1] == "(":
            return self._function(self.take())
        return self._comparison()

    def _function(self, name: str) -> Test:
        self.expect("(")
        word = self.attribute()
        test: Test
        if name == "attribute_exists":
            test = lambda item, places: places.name(word) in item  # noqa: E731
        elif name == "attribute_not_exists":
            test = lambda item, places: places.name(word) not in item  # noqa: E731
        elif name == "begins_with":
            self.expect(",")
            prefix = self.placeholder_value()
            test = lambda item, places: _begins_with(item.get(places.name(word)), places.value(prefix))  # noqa: E731
        else:
            message = f"Invalid function name; function: {name}"
            raise BadExpressionError(message)
        self.expect(")")
        return test

    def _comparison(self) -> Test:
        one = self._operand()
        sign = self.take()
        if sign not in ("=", "<>", *_ORDER):
            raise self.syntax_error(sign)
        start = len(self.words) - 1
        other = self._operand()
        if sign in _ORDER:
            self.ordered += [(sign, word) for word in self.words[start:] if word.startswith(":")]
        return lambda item, places: compare(sign, one(item, places), other(item, places))

    def _operand(self) -> Operand:
        if self.peek().startswith(":"):
            value = self.placeholder_value()
            return lambda _, places: places.value(value)
        word = self.attribute()
        return lambda item, places: item.get(places.name(word))


def compare(sign: str, one: Json | None, other: Json | None) -> bool:
    """Compare two values. What is not there is unlike everything, and neither greater nor less than anything."""
    if sign in ("=", "<>"):
        alike = one is not None and other is not None and plain(one) == plain(other)
        return alike is (sign == "=")
    if one is None or other is None or one.keys() != other.keys() or not _ORDERED_TYPES & one.keys():
        return False
    return _ORDER[sign](plain(one)[1], plain(other)[1])


def _begins_with(value: Json | None, prefix: Json) -> bool:
    return value is not None and "S" in value and "S" in prefix and value["S"].startswith(prefix["S"])


def plain(value: Json) -> tuple[str, Any]:
    """Give a value so that Python compares it as DynamoDB does: numbers by what they are worth, texts by UTF-8."""
    [(kind, content)] = value.items()
    return kind, _CONTENTS[kind](content) if kind in _CONTENTS else content


def number(text: str) -> Decimal:
    """Read a number. Raises BadExpressionError."""
    try:
        return Decimal(text)
    except InvalidOperation:
        message = f"The parameter cannot be converted to a numeric value: {text}"
        raise BadExpressionError(message) from None


_CONTENTS: dict[str, Callable[[Any], Any]] = {
    "N": number,
    "S": str.encode,
    "L": lambda items: [plain(item) for item in items],
    "M": lambda members: {name: plain(item) for name, item in members.items()},
    "NS": lambda items: {number(item) for item in items},
    "SS": set,
    "BS": set,
}
