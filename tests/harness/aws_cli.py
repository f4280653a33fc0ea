"""Stands in for the AWS CLI in the documentation's blocks: `python -m tests.harness.aws_cli SERVICE COMMAND …`.

Services, commands and options are botocore's own, so that a block which the AWS CLI would refuse fails here, too. The
call goes to moto, but for two: a function is invoked from the zip, and what moto lacks is only held against the model.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import validate_parameters

from tests.harness.lambda_runtime import Function
from tests.harness.terraform import ZIP

# Options of the CLI itself, which change nothing of what is asked.
_OF_THE_CLI = {"cli-binary-format", "region"}
_NOT_ON_MOTO = {"StartMessageMoveTask"}


def main(words: Sequence[str]) -> None:
    """Make the call that the words stand for, and print its answer."""
    service, command, *rest = words
    client = boto3.client(service)
    operations = {xform_name(name, "-"): name for name in client.meta.service_model.operation_names}
    operation = operations[command]
    model = client.meta.service_model.operation_model(operation)
    files, options = _split(rest)
    members = {xform_name(name, "-"): (name, shape) for name, shape in model.input_shape.members.items()}
    arguments = {
        members[name][0]: _value(members[name][1], values)
        for name, values in options.items()
        if name not in _OF_THE_CLI
    }
    validate_parameters(arguments, model.input_shape)
    if operation == "Invoke":
        with Function(arguments["FunctionName"], ZIP) as function:
            answer = function.invoke(json.loads(arguments["Payload"]))
        [file] = files
        Path(file).write_text(json.dumps(answer) + "\n")
    elif operation not in _NOT_ON_MOTO:
        getattr(client, xform_name(operation))(**arguments)


def _split(words: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The words that stand alone, and those that belong to an option; an option takes all up to the next one.

    Only `lambda invoke` has a word that stands alone, its last: the file for the answer.
    """
    options: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            options[word.removeprefix("--")] = []
        else:
            next(reversed(options.values())).append(word)
    alone = [values.pop() for name, values in options.items() if name == "payload" and len(values) > 1]
    return alone, options


def _value(shape: Shape, words: Sequence[str]) -> Any:
    if isinstance(shape, ListShape):
        return [_value(shape.member, [word]) for word in words]
    [word] = words
    if isinstance(shape, StructureShape | MapShape):
        return dict(_pairs(word))
    return word.encode() if shape.type_name == "blob" else word


def _pairs(word: str) -> Iterator[tuple[str, str]]:
    """The CLI's short form of a structure: `key=a,value=b`."""
    for pair in word.split(","):
        name, _, value = pair.partition("=")
        yield name, value


if __name__ == "__main__":
    main(sys.argv[1:])
