"""What every test needs: settings of Hypothesis, and an environment in which nothing reaches a real AWS."""

import json
import os

from hypothesis import HealthCheck, settings

os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",  # noqa: S106 - the word that stands for none
    AWS_DEFAULT_REGION="eu-west-1",
    AWS_REGION="eu-west-1",
    AWS_LAMBDA_FUNCTION_NAME="ecr-deploy",
    ECR_DEPLOY_SETTINGS=json.dumps(
        {
            "account_id": "123456789012",
            "table_name": "ecr-deploy",
            "queue_url": "https://queue",
            "dead_letter_queue_url": "https://dead",
        }
    ),
)
for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
    os.environ.pop(name, None)

# Each run tries the same, so that a change alone can break it; each night tries what nobody tried.
for profile, examples in (("default", 50), ("nightly", 2000)):
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        derandomize=profile == "default",
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
