"""Fail if a plan destroys anything of ecr-deploy, and print what its role may do from then on that it may not do today.

Run it as `terraform show -json plan | python3 check_plan.py`.
"""

import json
import sys
from typing import Any


def destroyed(plan: dict[str, Any]) -> list[str]:
    """The addresses of resources of the module that the plan destroys or replaces."""
    return [
        change["address"]
        for change in plan.get("resource_changes", [])
        if change["address"].startswith("module.ecr_deploy.") and "delete" in change["change"]["actions"]
    ]


def granted(plan: dict[str, Any], when: str) -> set[str]:
    """The actions that policies of roles allow `before` or `after` the plan, as far as they are known."""
    policies = [
        (change["change"][when] or {}).get("policy")
        for change in plan.get("resource_changes", [])
        if change["type"] == "aws_iam_role_policy"
    ]
    statements = [one for policy in policies if policy for one in json.loads(policy)["Statement"]]
    return {action for one in statements if one["Effect"] == "Allow" for action in one["Action"]}


def main() -> None:
    """Check the plan on standard input."""
    plan = json.load(sys.stdin)
    for action in sorted(granted(plan, "after") - granted(plan, "before")):
        sys.stdout.write(f"The role may newly use {action}.\n")
    if gone := destroyed(plan):
        sys.exit("\n".join(f"{address} would be destroyed or replaced." for address in gone))


if __name__ == "__main__":
    main()
