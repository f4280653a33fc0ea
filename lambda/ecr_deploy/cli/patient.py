"""The patient: what `doctor` looks at, each fact asked for once, and what it finds."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from ecr_deploy import fleet_reader
from ecr_deploy.aws.calls import Api, Maybe, Shape
from ecr_deploy.cli.connection import Connection
from ecr_deploy.core.fleet import Member, Service
from ecr_deploy.core.images import Repository
from ecr_deploy.core.rules import EVERYTHING
from ecr_deploy.core.settings import Settings

WRONG, WARNING, UNKNOWN, OK = "wrong", "warning", "unknown", "ok"

# Of a policy.
_DOCUMENT: Shape = {"Statement": [dict]}


class Finding(NamedTuple):
    """What a check found: how bad it is, in a sentence, and the line that mends it."""

    level: str
    text: str
    mend: str | None = None


Check = Callable[["Patient"], Iterator[Finding]]
"""A check: nothing found means that all is well. The first line of its docstring says what it holds."""


class Rule(NamedTuple):
    """A rule of EventBridge that feeds the queue."""

    name: str
    state: str
    pattern: str | None


class Patient:
    """A set-up, as the caller's credentials see it. Every fact raises EcrDeployError where it can't be had."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def name(self) -> str:
        """The function's name, which is the module's."""
        return self.connection.function

    @cached_property
    def settings(self) -> Settings:
        """The function's settings."""
        return self.connection.settings

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The function's configuration."""
        return self.connection.configuration

    def api(self, service: str) -> Api:
        """One of AWS's services."""
        return self.connection.api(service)

    @cached_property
    def queue(self) -> Mapping[str, str]:
        """The attributes of the queue."""
        return self._attributes(self.settings.queue_url)

    @cached_property
    def dead_letters(self) -> Mapping[str, str]:
        """The attributes of the dead-letter queue."""
        return self._attributes(self.settings.dead_letter_queue_url)

    @cached_property
    def rules(self) -> list[Rule]:
        """The rules of EventBridge that feed the queue.

        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeRule.html
        """
        arn, found = self.queue["QueueArn"], []
        listed = self.api("events").call("ListRuleNamesByTarget", "the queue", {"RuleNames": [str]}, TargetArn=arn)
        needs: Shape = {"Name": str, "State": str, "EventPattern": Maybe(str)}
        for name in listed["RuleNames"]:
            rule = self.api("events").call("DescribeRule", name, needs, Name=name)
            found.append(Rule(rule["Name"], rule["State"], rule.get("EventPattern")))
        return found

    @cached_property
    def table(self) -> Mapping[str, Any]:
        """The table.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html
        """
        needs: Shape = {
            "Table": {"TableStatus": str, "KeySchema": [{"AttributeName": str}], "SSEDescription": Maybe(dict)}
        }
        name = self.settings.table_name
        table: Mapping[str, Any] = self.api("dynamodb").call("DescribeTable", name, needs, TableName=name)["Table"]
        return table

    @cached_property
    def statements(self) -> list[Mapping[str, Any]]:
        """What the role's policies allow, inline and attached.

        https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
        https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetPolicyVersion.html
        """
        role = str(self.configuration["Role"]).rpartition("/")[2]
        found = [*self._inline_statements(role), *self._attached_statements(role)]
        return [statement for statement in found if statement["Effect"] == "Allow"]

    def _inline_statements(self, role: str) -> Iterator[Mapping[str, Any]]:
        iam, needs = self.api("iam"), {"PolicyDocument": _DOCUMENT}
        for page in iam.pages("ListRolePolicies", role, {"PolicyNames": [str]}, "Marker", RoleName=role):
            for name in page["PolicyNames"]:
                answer = iam.call("GetRolePolicy", role, needs, RoleName=role, PolicyName=name)
                yield from answer["PolicyDocument"]["Statement"]

    def _attached_statements(self, role: str) -> Iterator[Mapping[str, Any]]:
        iam, needs = self.api("iam"), {"AttachedPolicies": [{"PolicyArn": str}]}
        for page in iam.pages("ListAttachedRolePolicies", role, needs, "Marker", RoleName=role):
            for policy in page["AttachedPolicies"]:
                arn = policy["PolicyArn"]
                answer = iam.call("GetPolicy", arn, {"Policy": {"DefaultVersionId": str}}, PolicyArn=arn)
                version = {"PolicyArn": arn, "VersionId": answer["Policy"]["DefaultVersionId"]}
                answer = iam.call("GetPolicyVersion", arn, {"PolicyVersion": {"Document": _DOCUMENT}}, **version)
                yield from answer["PolicyVersion"]["Document"]["Statement"]

    @cached_property
    def everything(self) -> list[Member]:
        """All services of the account and region, in scope or not."""
        settings = self.settings._replace(rules=EVERYTHING)
        return fleet_reader.read_fleet(self.connection.environment, settings)[0]

    @property
    def members(self) -> list[Member]:
        """The services in scope."""
        return [member for member in self.everything if self.settings.rules.reaches(member.target)]

    @property
    def services(self) -> list[Service]:
        """The services in scope, without what they run."""
        return [member.service for member in self.members if member.service]

    @property
    def repositories(self) -> set[Repository]:
        """The repositories that services in scope run."""
        return {repository for member in self.members for repository in member.running.repositories}

    @staticmethod
    def roles_of(member: Member) -> list[str]:
        """The roles that the tasks of a service run with, and start with."""
        definition = json.loads(member.running.source)
        return [definition[name] for name in ("taskRoleArn", "executionRoleArn") if definition.get(name)]

    def _attributes(self, url: str) -> Mapping[str, str]:
        """The attributes of a queue.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
        """
        needs: Shape = {"Attributes": {"QueueArn": str}}
        answer = self.api("sqs").call("GetQueueAttributes", url, needs, QueueUrl=url, AttributeNames=["All"])
        attributes: Mapping[str, str] = answer["Attributes"]
        return attributes
