"""Measurements: `make bench` runs them all, prints a table, and writes results.json and results.svg."""

import os

os.environ.update(
    AWS_ACCESS_KEY_ID="bench",
    AWS_SECRET_ACCESS_KEY="bench",  # noqa: S106 - the word that stands for none
    AWS_DEFAULT_REGION="eu-west-1",
    AWS_REGION="eu-west-1",
    ECR_DEPLOY_SETTINGS='{"account_id": "123456789012", "queue_url": "https://queue", "dead_letter_queue_url": "https://dead"}',
)
for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
    os.environ.pop(name, None)
