"""SNS: messages to topics."""

from typing import Any

from ecr_deploy.aws.calls import Api


def publish(api: Api, topic: str, text: str, subject: str | None = None) -> None:
    """Publish a text to a topic (its ARN); mail has a subject: up to 100 characters of ASCII in one line.

    Raises:
        EcrDeployError: SNS did not take it.

    """
    named: dict[str, Any] = {"Subject": subject} if subject else {}
    api.call("Publish", f"the topic {topic}", {}, TopicArn=topic, Message=text, **named)


def region_of(topic: str) -> str:
    """The region of a topic."""
    return topic.split(":")[3]
