"""Explanations: why a push would deploy, or would not."""

from collections.abc import Iterable
from typing import Any

from ecr_deploy.core import planner
from ecr_deploy.core.fleet import Member
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.records import Record
from ecr_deploy.core.rules import Rule
from ecr_deploy.core.settings import Settings


def explain(push: Record, members: Iterable[Member], settings: Settings) -> dict[str, Any]:
    """Say for each rule whether it lets the push, and for everything that runs the repository whether it is reached."""
    running = [member for member in members if push.repository in member.running.repositories]
    running.sort(key=lambda member: (member.target.cluster or "", member.target.name))
    return {
        "image": f"{push.repository}:{push.tag}",
        "rules": [_explain_rule(index, rule, push, settings) for index, rule in enumerate(settings.rules.rules)],
        "services": [
            {"cluster": member.target.cluster, "service": member.target.name, **_explain_member(member, push, settings)}
            for member in running
            if member.service
        ],
        "families": [
            {"family": member.target.name, **_explain_member(member, push, settings)}
            for member in running
            if not member.service
        ],
    }


def _explain_rule(index: int, rule: Rule, push: Record, settings: Settings) -> dict[str, Any]:
    refusal = rule.rejection(push)
    hold = None if refusal else rule.holds(push, settings.rules.moment)
    return {"rule": index, "matches": refusal is None, "reason": refusal or (hold.text if hold else None)}


def _explain_member(member: Member, push: Record, settings: Settings) -> dict[str, Any]:
    reason = _why_not(member, push, settings)
    return {"reached": reason is None, "reason": str(reason) if reason else None}


def _why_not(member: Member, push: Record, settings: Settings) -> Reason | str | None:
    rules = settings.rules
    letting = [index for index, rule in enumerate(rules.rules) if rule.rejection(push) is None]
    if not letting:
        return "no rule lets the push go anywhere"
    if not rules.allows(push, member.target):
        return "it is not in the scope of " + ", ".join(f"rules[{index}]" for index in letting)
    if reason := planner.obstacle(member, settings) or rules.holds(push, member.target):
        return reason
    containers = (one for one in member.running.containers if one.repository == push.repository)
    if not any(planner.follows(push, member.running.tag_of(container)) for container in containers):
        return planner.ONLY_LATEST
    return None
