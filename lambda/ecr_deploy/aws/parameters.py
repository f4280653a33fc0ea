"""Parameters of AWS Systems Manager: texts by name."""

from collections.abc import Mapping

from ecr_deploy.aws.calls import Api, batched

# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
_NAMES_PER_GET = 10


def write(api: Api, values: Mapping[str, str], subject: str) -> None:
    """Write values by their parameters' names, where something else is written, or nothing.

    Raises:
        CallError: Systems Manager refuses or does not answer.
        OutOfTimeError: the invocation ends first.

    """
    needs = {"Parameters": [{"Name": str, "Value": str}]}
    for names in batched(values, _NAMES_PER_GET):
        known = api.call("GetParameters", subject, needs, Names=names)["Parameters"]
        written = {parameter["Name"]: parameter["Value"] for parameter in known}
        for name in names:
            if written.get(name) != values[name]:
                api.call(
                    "PutParameter",
                    subject,
                    {"Version": int},
                    Name=name,
                    Value=values[name],
                    Type="String",
                    Overwrite=True,
                )
