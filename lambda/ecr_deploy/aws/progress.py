"""The table's items of what was notified of pushes: `progress`, ACCOUNT/REGION/REPOSITORY@DIGEST."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ecr_deploy.aws.calls import batched
from ecr_deploy.aws.dynamodb import KEYS_PER_GET, Items, key_of, legible
from ecr_deploy.core import progress
from ecr_deploy.core.progress import Progress

_PARTITION = "progress"


class ProgressItems(Items):
    """What was notified of pushes.

    Every method raises MalformedItemError where somebody edited an item, beside what those of Items raise.
    """

    def read(self, keys: Iterable[str]) -> dict[str, Progress]:
        """Those of pushes that are there, by their keys."""
        found: dict[str, Progress] = {}
        for batch in batched(dict.fromkeys(keys), KEYS_PER_GET):
            found |= dict(map(_read, self.get([key_of(_PARTITION, key) for key in batch])))
        return found

    def all(self) -> dict[str, Progress]:
        """Those of all pushes of late, by their keys."""
        return dict(map(_read, self.query(_PARTITION)))

    def write(self, changed: Progress, now: datetime) -> Progress:
        """Write one; gives it as the table holds it now.

        Raises:
            OvertakenError: another writer was quicker.

        """
        written = json.dumps(progress.to_json(changed))
        self.put(_PARTITION, changed.key, changed.version, expires=now + changed.kept, progress=written)
        return changed._replace(version=changed.version + 1)


def _read(item: Mapping[str, Any]) -> tuple[str, Progress]:
    name = item["item"]["S"]
    with legible(f"{_PARTITION}, {name}"):
        return name, progress.from_json(json.loads(item["progress"]["S"]), int(item["version"]["N"]))
