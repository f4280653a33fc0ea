"""Change calendars of AWS Systems Manager: which are CLOSED, and until when."""

from collections.abc import Iterable

from ecr_deploy.aws.calls import Api, Maybe, Shape


def closed(api: Api, names: Iterable[str]) -> dict[str, str]:
    """The calendars (names or ARNs) that are CLOSED, each with the time at which it opens, as Systems Manager says it.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCalendarState.html

    Raises:
        CallError: a calendar is not there, or Systems Manager does not answer.
        OutOfTimeError: the invocation ends first.

    """
    until = {}
    for name in names:
        needs: Shape = {"State": str, "NextTransitionTime": Maybe(str)}
        answer = api.call("GetCalendarState", name, needs, CalendarNames=[name])
        if answer["State"] != "OPEN":
            until[name] = answer.get("NextTransitionTime") or "further notice"
    return until
