"""A service of AWS that gives prepared answers, and holds questions and answers against botocore's model of it."""

import copy
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.handlers import json_decode_policies
from botocore.model import ServiceModel
from botocore.validate import validate_parameters


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


class Answers:
    """A client whose operations, by the name that AWS gives them, have prepared answers: a mapping, or an error.

    What was not prepared is refused.
    """

    def __init__(self, service: str, **answers: Mapping[str, Any] | ClientError) -> None:
        self._model = _model(service)
        self.answers = dict(answers)
        self._operations = {xform_name(name): name for name in self._model.operation_names}

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method not in self._operations:
            raise AttributeError(method)
        operation = self._operations[method]

        def ask(**arguments: Any) -> Any:
            model = self._model.operation_model(operation)
            validate_parameters(arguments, model.input_shape)
            answer = self.answers.get(operation, denied(operation))
            if isinstance(answer, ClientError):
                raise answer
            validate_parameters(dict(answer), model.output_shape)
            # As boto3 does for IAM, whose model says that these are texts.
            decoded = copy.deepcopy(dict(answer))
            json_decode_policies(decoded, model)
            return decoded

        return ask


def denied(operation: str) -> ClientError:
    """The error of whoever may not ask."""
    error = {"Code": "AccessDeniedException", "Message": f"User: jane is not authorized to perform {operation}"}
    return ClientError({"Error": error, "ResponseMetadata": {}}, operation)
