"""Messages: notifications of a push, as plain text for mail, and as a custom notification for chats.

https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ecr_deploy.core import rollouts, sentences
from ecr_deploy.core.fleet import Target
from ecr_deploy.core.records import Record
from ecr_deploy.core.sentences import ByState, Part

# Of a subject: ASCII, in one line.
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_LONGEST_SUBJECT = 100
# What chats show at a glance; the rest is below it.
_LONGEST_SUMMARY = 250
_LONGEST_DESCRIPTION = 2000
_SIGNS = {"live": "✅", "started": "🚀", "superseded": "⏭️", "approval": "✋", "hook": "✋", "rejected": "⛔"}
_TROUBLE = "❌"


class Sender(NamedTuple):
    """The function, as people have to name it: its name, its log group, account and region."""

    function: str
    log_group: str
    account: str
    region: str


class Message(NamedTuple):
    """A notification of a push: in one sentence, in detail, and what they can do about it.

    `kind` is one of started, failed, rolled-back, ended, approval, hook and rejected; `outcome` what it comes to.
    `commands` are arguments of the command line `ecr-deploy`. `services` are CLUSTER/SERVICE, `thread` is the push.
    """

    kind: str
    outcome: str
    thread: str
    image: Record
    summary: str
    details: tuple[str, ...]
    commands: tuple[str, ...]
    services: tuple[str, ...]

    @classmethod
    def of(  # noqa: PLR0913, PLR0917 - all that it says
        cls,
        kind: str,
        image: Record,
        parts: Mapping[Target, Part],
        why: str | None,
        total: int = 0,
        still_open: int = 0,
    ) -> "Message":
        """Say what became of an image on services; of `total` services so many are `still_open`."""
        by_state: dict[str, dict[Target, Part]] = {}
        for target, part in sorted(parts.items()):
            by_state.setdefault(part.state, {})[target] = part
        name, after = f"{image.repository.name}:{image.tag}", ""
        if why and (kind == "rejected" or not parts):
            after = f"{' ' if parts else ': '}{sentences.first_line(why)}"
        elif why:
            name += f" ({sentences.first_line(why)})"
        summary = sentences.summary(kind, name, by_state, total or len(parts)) + after
        if kind == "failed" and still_open:
            summary += f"; {still_open} of {total} services are still under way"
        return cls(
            kind,
            _outcome(kind, by_state),
            f"{rollouts.repository_key(image.repository)}@{image.digest}",
            image,
            _in_one_line(summary, _LONGEST_SUMMARY),
            sentences.details(by_state),
            _commands(kind, image, by_state),
            tuple(f"{target.cluster}/{target.name}" for target in sorted(parts)[: sentences.MOST_LISTED]),
        )

    def to_json(self) -> dict[str, Any]:
        """Give it as the table holds it."""
        return {**self._asdict(), "image": rollouts.record_to_json(self.image)}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Message":
        """Read what `to_json` gave.

        Raises:
            KeyError, ValueError, TypeError: it is not that.

        """
        lists = {name: tuple(written[name]) for name in ("details", "commands", "services")}
        return cls(**{**written, **lists, "image": rollouts.record_from_json(written["image"])})

    def subject(self) -> str:
        """The subject of a mail."""
        return _in_one_line(self.summary.encode("ascii", "replace").decode(), _LONGEST_SUBJECT)

    def mail(self, sender: Sender) -> str:
        """The text of a mail."""
        look = [*(self._command(command, sender) for command in self.commands), f"log group {sender.log_group}"]
        parts = [
            f"{self.summary}.",
            "\n".join(self.details),
            "Where to look:\n" + "\n".join(f"  {line}" for line in look),
            f"{sender.function}, account {sender.account}, {sender.region}",
        ]
        return "\n\n".join(filter(None, parts)) + "\n"

    def chat(self, sender: Sender) -> str:
        """The custom notification of Amazon Q Developer in chat applications, as JSON."""
        image = self.image
        context = {
            "outcome": self.outcome,
            "registry": image.repository.account,
            "image_region": image.repository.region,
            "repository": image.repository.name,
            "tag": image.tag,
            "digest": image.digest,
            "function": sender.function,
            "account": sender.account,
            "region": sender.region,
        }
        # What a button for an answer is shown by.
        gate = {"gate": self.kind} if self.kind in {"approval", "hook"} else {}
        steps = [f"`{self._command(command, sender)}`" for command in self.commands]
        notification = {
            "version": "1.0",
            "source": "custom",
            "content": {
                "textType": "client-markdown",
                "title": f"{_SIGNS.get(self.outcome, _TROUBLE)} {_escaped(self.summary)}",
                "description": _escaped(("\n".join(self.details) or f"{self.summary}.")[:_LONGEST_DESCRIPTION]),
                "nextSteps": [*steps, f"Log group `{sender.log_group}`"],
                "keywords": [f"{image.repository.name}:{image.tag}", self.outcome],
            },
            "metadata": {
                "threadId": self.thread,
                "summary": self.summary,
                "eventType": self.kind,
                "relatedResources": list(self.services),
                "additionalContext": {**context, **gate},
                "enableCustomActions": True,
            },
        }
        return json.dumps(notification, ensure_ascii=False)

    @staticmethod
    def _command(command: str, sender: Sender) -> str:
        named = "" if sender.function == "ecr-deploy" else f" --function {sender.function}"
        return f"ecr-deploy {command}{named}"


def _outcome(kind: str, by_state: ByState) -> str:
    """What it comes to: of several states of services, the worst."""
    if kind in {"approval", "hook", "rejected"}:
        return kind
    order = ("failed", "rolled-back", "started", "due", "live", "superseded")
    worst = next((state for state in order if state in by_state), "failed")
    return "started" if kind == "started" and worst not in {"failed", "rolled-back"} else worst


def _commands(kind: str, image: Record, by_state: ByState) -> tuple[str, ...]:
    name = f"{image.repository.name}:{image.tag}"
    if kind in {"approval", "hook"}:
        return f"approve {name}", f"reject {name}", f"explain {name}"
    if bad := [target for state in ("rolled-back", "failed") for target in by_state.get(state, ())]:
        return tuple(f"history {target.cluster} {target.name}" for target in bad[: sentences.MOST_NAMED])
    return (f"explain {name}",) if kind == "rejected" or not by_state else ("status --by-image",)


def _in_one_line(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 3].rstrip()}..."


def _escaped(text: str) -> str:
    """Text in which a chat finds no link and no mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
