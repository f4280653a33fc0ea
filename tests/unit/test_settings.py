"""A setting that the function can't work with stops it at its start, with a sentence that names it and its value."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecr_deploy.core import settings
from ecr_deploy.core.reading import InvalidSettingsError
from ecr_deploy.core.settings import Settings
from tests.harness.road import ACCOUNT

PACKAGE = Path(settings.__file__).parents[2]
LEAST = {
    "account_id": ACCOUNT,
    "table_name": "table",
    "queue_url": "https://queue",
    "dead_letter_queue_url": "https://dead",
}


def read(**values: Any) -> Settings:
    return settings.from_environment({settings.VARIABLE: json.dumps({**LEAST, **values})})


def test_defaults() -> None:
    spelled_out = {
        "clusters": ["*"],
        "rules": [
            {
                "registries": [ACCOUNT],
                "repositories": ["*"],
                "tags": ["*"],
                "exclude_tags": [],
                "clusters": ["*"],
                "services": ["*"],
            }
        ],
        "image_reference": "tag",
        "base_revision": "latest",
        "dry_run": False,
    }
    assert read() == read(**spelled_out)


def test_what_terraform_leaves_out_is_the_default() -> None:
    assert read(clusters=None, rules=[{"tags": None}], dry_run=None) == read()


def test_values() -> None:
    found = read(image_reference="tag+digest", base_revision="running", dry_run=True)

    assert found.account_id == ACCOUNT
    assert (found.queue_url, found.dead_letter_queue_url) == ("https://queue", "https://dead")
    assert (found.image_reference, found.base_revision, found.dry_run) == ("tag+digest", "running", True)


@pytest.mark.parametrize(
    ("values", "name", "value"),
    [
        ({"account_id": None}, "account_id", "null"),
        ({"account_id": "12345"}, "account_id", '"12345"'),
        ({"account_id": 123456789012}, "account_id", "123456789012"),
        ({"table_name": "table", "queue_url": None}, "queue_url", "null"),
        ({"table_name": "table", "queue_url": ""}, "queue_url", '""'),
        ({"dead_letter_queue_url": 1}, "dead_letter_queue_url", "1"),
        ({"clusters": []}, "clusters", "[]"),
        ({"clusters": "prod"}, "clusters", '"prod"'),
        ({"clusters": ["prod", ""]}, "clusters", '["prod", ""]'),
        ({"clusters": [1]}, "clusters", "[1]"),
        ({"rules": []}, "rules", "[]"),
        ({"rules": {}}, "rules", "{}"),
        ({"rules": ["app"]}, "rules", '["app"]'),
        ({"rules": [{}, {"tags": []}]}, "rules[1].tags", "[]"),
        ({"rules": [{"registries": ["x", None]}]}, "rules[0].registries", '["x", null]'),
        ({"rules": [{"repositories": "app"}]}, "rules[0].repositories", '"app"'),
        ({"rules": [{"exclude_tags": "v1"}]}, "rules[0].exclude_tags", '"v1"'),
        ({"rules": [{"services": [[]]}]}, "rules[0].services", "[[]]"),
        ({"image_reference": "sha"}, "image_reference", '"sha"'),
        ({"image_reference": ["tag"]}, "image_reference", '["tag"]'),
        ({"base_revision": "newest"}, "base_revision", '"newest"'),
        ({"dry_run": "false"}, "dry_run", '"false"'),
        ({"dry_run": 1}, "dry_run", "1"),
        ({"rules": [{"minimum_image_age": math.inf}]}, "rules[0].minimum_image_age", "Infinity"),
        ({"deployment_timeout_minutes": math.nan}, "deployment_timeout_minutes", "NaN"),
        ({"keep_revisions": 10**30}, "keep_revisions", str(10**30)),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_bad_value(values: dict[str, Any], name: str, value: str) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        read(**values)

    sentence = str(caught.value)
    assert sentence.startswith(f"The setting {name} must be ")
    assert sentence.endswith(f", but it is {value}.")


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"semver": ">1 <"}, "The setting rules[0].semver must be a range of semantic versions, but "),
        (
            {"order_by": {"pattern": "main", "type": "number"}},
            'The setting rules[0].order_by can\'t order pushes: The pattern "main" has no group: put what counts in ',
        ),
        (
            {"order_by": {"pattern": "(a)"}},
            "The setting rules[0].order_by must be an object with pattern and type, but ",
        ),
    ],
)
def test_a_rule_that_can_not_be_read(rule: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        read(rules=[rule])

    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"dryrun": True}, "There is no setting dryrun, but it is true."),
        ({"rules": [{}, {"tag": ["v*"], "x": 1}]}, 'There is no setting rules[1].tag, but it is ["v*"].'),
    ],
)
def test_an_unknown_setting(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        read(**values)

    assert str(caught.value) == sentence


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null", '"text"'])
def test_no_json_object(text: str | None) -> None:
    environment = {} if text is None else {settings.VARIABLE: text}
    with pytest.raises(InvalidSettingsError, match=r"^The environment variable ECR_DEPLOY_SETTINGS must .* object\.$"):
        settings.from_environment(environment)


def test_the_function_does_not_start_with_a_bad_setting() -> None:
    values = json.dumps({**LEAST, "image_reference": "sha"})
    process = subprocess.run(
        [sys.executable, "-c", "import ecr_deploy.handler"],
        env={**os.environ, "PYTHONPATH": str(PACKAGE), settings.VARIABLE: values},
        capture_output=True,
        text=True,
        check=False,
    )

    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == (
        "ecr_deploy.core.reading.InvalidSettingsError: The setting image_reference must be one of tag, digest, "
        'tag+digest, but it is "sha".'
    )
