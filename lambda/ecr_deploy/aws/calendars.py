"""Change calendars of AWS Systems Manager: which are CLOSED, and until when."""

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ecr_deploy.aws import calls


def closed(client: Any, names: Iterable[str]) -> dict[str, str]:
    """The calendars (names or ARNs) that are CLOSED, each with the time at which it opens, as Systems Manager says it.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCalendarState.html

    Raises:
        CallError: a calendar is not there, or Systems Manager does not answer.

    """
    until = {}
    for name in names:
        try:
            answer = client.get_calendar_state(CalendarNames=[name])
        except (ClientError, BotoCoreError) as error:
            raise calls.explain(error, "GetCalendarState", name) from error
        if answer["State"] != "OPEN":
            until[name] = answer.get("NextTransitionTime", "further notice")
    return until
