"""Admission: why a push does not reach a target: it is in no scope, or not managed, or does not follow the tag."""

from ecr_deploy.core.fleet import CODE_DEPLOY, Member
from ecr_deploy.core.outcomes import Reason
from ecr_deploy.core.records import Record
from ecr_deploy.core.rules import Rules
from ecr_deploy.core.settings import Settings

# A service with this tag stays where it is; the value may say why.
PINNED = "ecr-deploy:pinned"
ONLY_LATEST = Reason("only-latest", "latest goes only to containers that run latest")


def obstacle(member: Member, settings: Settings) -> Reason | None:
    """Why a service must stay as it is, whatever is pushed; None if it need not."""
    service = member.service
    if service is None:
        return None
    enabled = settings.enabled_tag_key
    for tags, owner in ((service.tags, "it"), (service.cluster_tags, f"its cluster {service.cluster}")):
        if tags.get(enabled) == "false":
            return Reason("opted-out", f"{owner} has the tag {enabled} = false")
    if settings.require_opt_in and "true" not in (service.tags.get(enabled), service.cluster_tags.get(enabled)):
        return Reason("not-opted-in", f"neither it nor its cluster has the tag {enabled} = true")
    if service.tags.get(PINNED, "false") != "false":
        return Reason("pinned", f"it is pinned by its tag {PINNED} = {service.tags[PINNED]}")
    if service.controller != "ECS" and not (settings.codedeploy and service.controller == CODE_DEPLOY):
        return Reason("controller", f"its deployment controller is {service.controller}, which deploys by itself")
    return None


def follows(push: Record, running_tag: str | None) -> bool:
    """Whether a container that runs some tag takes the push: `latest` is only for those who run `latest`."""
    return push.tag != "latest" or running_tag == "latest"


def out_of_scope(push: Record, rules: Rules) -> Reason:
    """Why no rule takes a push to a target that none of them reaches with it."""
    if reason := rules.rejection(push):
        return reason
    allowing = ", ".join(f"rules[{index}]" for index in rules.allowing(push))
    return Reason("out-of-scope", f"it is not in the scope of {allowing}")
