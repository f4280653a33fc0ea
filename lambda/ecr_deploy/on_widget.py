"""The custom widget of CloudWatch's dashboard: it invokes the function, and shows the HTML that it answers.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard.html
"""

from collections.abc import Mapping
from typing import Any

from ecr_deploy import on_request, status
from ecr_deploy.core.errors import EcrDeployError
from ecr_deploy.core.rules import Scope
from ecr_deploy.environment import Environment
from ecr_deploy.page import board, popups, view
from ecr_deploy.page.markup import element
from ecr_deploy.page.view import View

DOCUMENTATION = """### What runs where

Services by cluster, what each runs since when, what waits for what, and what is not managed, as ecr-deploy sees it.
The widget takes no parameters. Its buttons approve, reject, roll back, freeze and unfreeze, after a question.
"""
_DEEDS = ("approve", "reject", "rollback", "freeze", "unfreeze")


def answer(environment: Environment, event: Mapping[str, Any], endpoint: str) -> str:
    """Show the page, do what was pressed before, or show a pop-up; gives HTML, or Markdown where that is asked for.

    Whatever goes wrong is shown, because CloudWatch would say only that there was an error.
    """
    if event.get("describe") is True:
        return DOCUMENTATION
    seen = view.of(event, endpoint)
    try:
        if "history" in event:
            return popups.history(on_request.answer(environment, {"history": event["history"]}), seen)
        if "explain" in event:
            return popups.why(on_request.answer(environment, {"explain": event["explain"]}))
        message = _do(environment, event.get("do"), seen)
        return board.render(status.answer(environment, Scope()), seen, environment.now(), message)
    except EcrDeployError as error:
        return element("p", str(error))


def _do(environment: Environment, asked: object, seen: View) -> str:
    """Do what was pressed, if anything was; gives what came of it in a sentence."""
    if not isinstance(asked, Mapping) or not asked:
        return ""
    [deed] = list(asked)[:1]
    if deed not in _DEEDS:
        return f"There is no button for {deed}."
    if not seen.by:
        return "Nothing was done: write your name first, beside the filters."
    request = asked[deed]
    if deed == "freeze":
        request = {"clusters": [seen.cluster or "*"], "reason": seen.reason}
    try:
        done = on_request.answer(environment, {deed: request, "by": seen.by})
    except EcrDeployError as error:
        return str(error)
    outcomes = {push["outcome"]: push["reason"] for push in done.get("pushes", ())}
    if "rollback" in done:
        outcomes = {done["rollback"]["outcome"]: done["rollback"]["reason"]}
    came_of_it = "; ".join(f"{outcome}, {reason}" if reason else outcome for outcome, reason in outcomes.items())
    return f"{deed} by {seen.by}: {came_of_it or 'done'}."
