"""Admission: why a push does not reach a service. The one place that decides it, as an ordered list of checks.

The deployment, `explain`, `plan` and `status` all ask here, so that they can't disagree.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ecr_deploy.core.desires import Standing
from ecr_deploy.core.errors import INCOMPLETE, CallError, EcrDeployError
from ecr_deploy.core.fleet import CODE_DEPLOY, DAEMONS, ECS, EXPRESS_MODE, Member, Service
from ecr_deploy.core.gates import EXPIRED, NO_SCAN
from ecr_deploy.core.memory import Image
from ecr_deploy.core.outcomes import Outcome, Reason
from ecr_deploy.core.records import Record
from ecr_deploy.core.revisions import Revision
from ecr_deploy.core.rules import Place, Rules
from ecr_deploy.core.settings import Settings

# A service with this tag stays where it is; the value may say why.
PINNED = "ecr-deploy:pinned"

# How people write the value of a tag that says yes or no.
_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})

# UpdateService of a service that is no more, or drains.
_GONE = frozenset({"ServiceNotFoundException", "ServiceNotActiveException", "ClusterNotFoundException"})

Decision = tuple[Outcome, Reason]


class Arrival(NamedTuple):
    """A push that has arrived at one container of a target.

    `current` is the place of what the container runs, `image` the pushed image among all that were pushed, `winner` the
    greatest that may run now, if it is greater than what runs. `leaves_latest` says that the image would take the
    container off `latest`. `hold` says why the push must not reach the container now.
    """

    push: Record
    running: Image
    current: Place
    image: Standing
    winner: Standing | None
    leaves_latest: bool
    hold: Reason | None


def obstacle(service: Service | None, settings: Settings) -> Reason | None:
    """Why a service is not managed: it stays as it is, whatever is pushed. None if it is, or if there is no service."""
    if service is None:
        return None
    if (reason := _opt_out(service, settings)) or (reason := _pin(service)):
        return reason
    is_ours = {
        ECS: True,
        CODE_DEPLOY: settings.codedeploy,
        EXPRESS_MODE: settings.express_mode,
        DAEMONS: settings.daemons,
    }
    if not is_ours.get(service.controller):
        return Reason("controller", f"its deployment controller is {service.controller}, which deploys by itself")
    return None


def managed(members: Iterable[Member], settings: Settings) -> list[Member]:
    """The members that are managed."""
    return [member for member in members if not obstacle(member.service, settings)]


def _opt_out(service: Service, settings: Settings) -> Reason | None:
    key = settings.enabled_tag_key
    is_opted_in = False
    for tags, owner in ((service.tags, "it"), (service.cluster_tags, f"its cluster {service.cluster}")):
        if key not in tags:
            continue
        is_opted_in |= _is_yes(tags[key])
        if _is_no(tags[key]):
            return Reason("opted-out", f"{owner} has the tag {key} = {tags[key]}")
        if not _is_yes(tags[key]):
            text = f"{owner} has the tag {key} = {tags[key]!r}, which is neither true nor false"
            return Reason("opt-in-unclear", text)
    if settings.require_opt_in and not is_opted_in:
        return Reason("not-opted-in", f"neither it nor its cluster has the tag {key} = true")
    return None


def _pin(service: Service) -> Reason | None:
    pin = service.tags.get(PINNED)
    if pin is None or _is_no(pin):
        return None
    return Reason("pinned", f"it is pinned by its tag {PINNED} = {pin}")


def _is_yes(value: str) -> bool:
    return value.strip().lower() in _YES


def _is_no(value: str) -> bool:
    return value.strip().lower() in _NO


def to_target(push: Record, member: Member, settings: Settings) -> Reason | None:
    """Why a push does not reach a target at all, whatever it runs; None if it does."""
    rules = settings.rules
    if reason := rules.rejection(push):
        return reason
    if not rules.allows(push, member.target):
        allowing = ", ".join(f"rules[{index}]" for index in rules.allowing(push))
        return Reason("out-of-scope", f"it is not in the scope of {allowing}")
    return obstacle(member.service, settings)


def nowhere(push: Record, rules: Rules) -> Decision:
    """What becomes of a push that concerns no target, and why."""
    return Outcome.SKIPPED, rules.rejection(push) or Reason("not-running", f"nothing in scope runs {push.repository}")


def to_no_container(push: Record, base: Revision, rejection: Reason | None) -> Decision:
    """What becomes of a push that reaches no container of a target: for the reason that it does not reach it at all."""
    if rejection:
        return Outcome.SKIPPED, rejection
    if push.repository in base.repositories:
        text = "no rule allows it into the containers that run the repository"
        return Outcome.SKIPPED, Reason("no-container", text)
    text = f"{base}, the newest revision of its family, runs the repository no longer"
    return Outcome.SKIPPED, Reason("moved", text)


def by_unknown(error: CallError) -> Decision:
    """What becomes of a push where ECS does not say what a service runs."""
    # A definition that was deleted for good must not fail every push.
    outcome = Outcome.SKIPPED if error.code in {"ClientException", INCOMPLETE} else Outcome.FAILED
    return outcome, Reason("unknown", f"what it runs is unknown: {error}")


def by_refusal(error: EcrDeployError) -> Decision:
    """What becomes of a push where a target could not be updated."""
    if isinstance(error, CallError) and error.code in _GONE:
        return Outcome.SKIPPED, Reason("deleted", "it was deleted meanwhile")
    return Outcome.FAILED, Reason.of(error)


def to_container(arrival: Arrival) -> Decision | None:
    """What becomes of a push at a container that it does not change, and why; None if it is deployed."""
    return next((decision for check in _CHECKS if (decision := check(arrival))), None)


def follows(tag: str, running_tag: str | None) -> bool:
    """Whether a container that runs some tag takes a push of another: `latest` is only for those that run `latest`."""
    return tag != "latest" or running_tag == "latest"


def _only_latest(arrival: Arrival) -> Decision | None:
    if follows(arrival.push.tag, arrival.running.tag):
        return None
    return Outcome.SKIPPED, Reason("only-latest", "latest goes only to containers that run latest")


def _same_image(arrival: Arrival) -> Decision | None:
    if arrival.push.digest != arrival.running.digest or arrival.leaves_latest:
        return None
    return Outcome.UNCHANGED, Reason("same-image", "it runs this image already")


def _rolled_back(arrival: Arrival) -> Decision | None:
    if (rejection := arrival.image.rejection) is None:
        return None
    kind, what = ("rejected", f"rejected by {rejection.by}") if rejection.by else ("rolled-back-before", "rolled back")
    text = f"it was {what}: a new push of {rejection.tag}, or a request, deploys it again"
    return Outcome.SKIPPED, Reason(kind, text)


def _forced(arrival: Arrival) -> Decision | None:
    if not arrival.image.is_superseded:
        return None
    return Outcome.SUPERSEDED, Reason("forced", "a forced request came later")


def _newer_runs(arrival: Arrival) -> Decision | None:
    if arrival.image.place > arrival.current or arrival.leaves_latest:
        return None
    return Outcome.SUPERSEDED, newer(arrival.running.tag, arrival.running.digest)


def _newer_wins(arrival: Arrival) -> Decision | None:
    winner = arrival.winner
    if winner is None or winner.place < arrival.image.place:
        return None
    if winner.record.digest != arrival.push.digest:
        return Outcome.SUPERSEDED, newer(winner.record.tag, winner.record.digest)
    if winner.record.tag != arrival.push.tag:
        return Outcome.UNCHANGED, Reason("same-image", f"the push of {winner.record.tag} brings the same image")
    return None


def _must_wait(arrival: Arrival) -> Decision | None:
    if arrival.hold is None:
        return None
    outcomes = {
        EXPIRED: Outcome.SUPERSEDED,
        NO_SCAN: Outcome.FAILED,
        "findings": Outcome.SKIPPED,
        "task-failed": Outcome.SKIPPED,
    }
    return outcomes.get(arrival.hold.kind, Outcome.WAITING), arrival.hold


def newer(tag: str | None, digest: str | None) -> Reason:
    """The reason of whatever an image supersedes."""
    return Reason("newer", f"{tag or 'the image that runs'} ({(digest or 'digest unknown')[:19]}) is newer")


_CHECKS: tuple[Callable[[Arrival], Decision | None], ...] = (
    _only_latest,
    _same_image,
    _rolled_back,
    _forced,
    _newer_runs,
    _newer_wins,
    _must_wait,
)
