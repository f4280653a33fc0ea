"""Waiting: what an image comes to on each service that it reaches, asked again and again."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ecr_deploy.cli.options import DONE, FAILED, LATE, NOTHING, Caller
from ecr_deploy.cli.screen import place
from ecr_deploy.core.outcomes import Outcome
from ecr_deploy.core.rollouts import State
from ecr_deploy.core.rules import matches

_SECONDS_BETWEEN = 5
_PENDING = "pending"
_BAD = (str(State.ROLLED_BACK), str(State.FAILED), "rejected")
_ENDS = (str(State.LIVE), str(State.SUPERSEDED), *_BAD)

Place = tuple[str, str]


class Standing(NamedTuple):
    """Where the rollout to one service stands: a state, the revision, and why, where that is known."""

    state: str
    revision: str
    reason: str | None = None


Look = Callable[[], dict[Place, Standing]]


def of_image(caller: Caller, image: Mapping[str, Any], scope: Mapping[str, Any]) -> Look:
    """Look at all services that an image reaches, and that it has reached.

    It must be there. From then on it is looked for by its digest, because its tag may be moved meanwhile, and by
    explanations, which leave nothing in the function's log and metrics.
    """
    [push] = caller.connection.ask({**image, **scope, "dry_run": True})["pushes"][:1]
    exact = {**image, "digest": push["digest"]}
    globs = {"cluster": scope.get("clusters", ["*"]), "service": scope.get("services", ["*"])}

    def look() -> dict[Place, Standing]:
        explained = caller.connection.ask({"explain": exact})
        reached = {
            (entry["cluster"], entry["service"]): entry
            for entry in explained["services"]
            if all(matches(entry[kind], wanted) for kind, wanted in globs.items())
        }
        running = _running(caller, scope) if any(entry["outcome"] == "unchanged" for entry in reached.values()) else {}
        found = {key: _standing(entry, running.get(key)) for key, entry in reached.items()}
        return {key: standing for key, standing in found.items() if standing}

    return look


def of_rollback(caller: Caller, cluster: str, service: str) -> Look:
    """Look at a service that is on its way back."""
    key = (cluster, service)

    def look() -> dict[Place, Standing]:
        there = _running(caller, {"clusters": [cluster], "services": [service]}).get(key)
        if there is None:
            return {}
        state = there["rollout"]["state"]
        # What runs until the way back has begun is what was rolled back.
        state = str(State.STARTED) if state == State.ROLLED_BACK else state
        return {key: Standing(state, there["revision"], there["rollout"]["reason"])}

    return look


def until_ended(caller: Caller, look: Look, minutes: float) -> tuple[list[dict[str, Any]], int]:
    """Wait until every rollout has ended, and show each change on a line; gives the ends, and the exit code."""
    clock, began = caller.connection.clock, caller.connection.clock.time()
    known: dict[Place, Standing] = {}
    while True:
        now = look()
        gone = {
            key: Standing("failed", known[key].revision, "it is there no longer") for key in known.keys() - now.keys()
        }
        for key, standing in sorted({**now, **gone}.items()):
            if known.get(key) != standing and not caller.screen.as_json:
                caller.screen.say(_line(clock.time() - began, key, standing), _style(standing))
            known[key] = standing
        open_ones = [standing for standing in known.values() if standing.state not in _ENDS]
        is_late = clock.time() - began >= minutes * 60
        if not open_ones or is_late:
            break
        clock.sleep(_SECONDS_BETWEEN)
    if open_ones:
        caller.screen.note(
            f"{len(open_ones)} of {len(known)} rollouts have not ended after {minutes:g} minutes.", "red"
        )
    return list(_formatted(caller, known)), _exit_code(known)


def _exit_code(known: Mapping[Place, Standing]) -> int:
    states = {standing.state for standing in known.values()}
    if states & set(_BAD):
        return FAILED
    if states - set(_ENDS):
        return LATE
    return DONE if str(State.LIVE) in states else NOTHING


def _running(caller: Caller, scope: Mapping[str, Any]) -> dict[Place, dict[str, Any]]:
    answer = caller.connection.ask({"status": dict(scope)})
    return {(entry["cluster"], entry["service"]): entry for entry in answer["services"]}


def _standing(planned: Mapping[str, Any], running: Mapping[str, Any] | None) -> Standing | None:
    """Where a service stands, by what would become of the same image now; None if it is not reached."""
    outcome, reason, revision = planned["outcome"], planned["reason"], planned["from"] or ""
    if outcome == Outcome.UNCHANGED and running:
        return Standing(running["rollout"]["state"], running["revision"], running["rollout"]["reason"])
    if planned["reason_kind"] == "rolled-back-before":
        return Standing(str(State.ROLLED_BACK), revision, reason)
    if planned["reason_kind"] == "rejected":
        return Standing("rejected", revision, reason)
    if outcome == Outcome.SKIPPED:
        return None
    if outcome == Outcome.SUPERSEDED:
        return Standing(str(State.SUPERSEDED), revision, reason)
    # It has yet to begin: its event is under way, or it waits, or AWS refuses something for now.
    return Standing("waiting" if outcome == Outcome.WAITING else _PENDING, revision, reason)


def _formatted(caller: Caller, known: Mapping[Place, Standing]) -> Iterator[dict[str, Any]]:
    for (cluster, service), standing in sorted(known.items()):
        reason = standing.reason
        if standing.state in _BAD and (said := _reason(caller, cluster, service)):
            reason = said
            if not caller.screen.as_json:
                caller.screen.say(f"{cluster}/{service} was {standing.state.replace('-', ' ')}: {said}", "red")
        yield {
            "cluster": cluster,
            "service": service,
            "revision": standing.revision,
            "state": standing.state,
            "reason": reason,
        }


def _reason(caller: Caller, cluster: str, service: str) -> str | None:
    """Why the newest rollout that failed did."""
    answer = caller.connection.ask({"history": {"cluster": cluster, "service": service}})
    return next((past["reason"] for past in answer["history"] if past["state"] in _BAD), None)


def _line(seconds: float, key: Place, standing: Standing) -> str:
    name = place({"cluster": key[0], "service": key[1]})
    reason = f"  {standing.reason}" if standing.reason else ""
    return f"{f'{seconds:.0f} s':<6}  {name:<32}  {standing.state:<11}  {standing.revision}{reason}"


def _style(standing: Standing) -> str:
    if standing.state in _BAD:
        return "red"
    return "green" if standing.state == State.LIVE else ""
