"""The table's items of tasks that run before services get an image."""

import json

from ecr_deploy.aws.dynamodb import Items, legible
from ecr_deploy.core import tasks
from ecr_deploy.core.tasks import Slot

_TASKS = "tasks"


class Slots(Items):
    """The slots of tasks, by their names."""

    def read(self) -> dict[str, Slot]:
        """All slots.

        Raises:
            MalformedItemError: somebody edited one.

        """
        found: dict[str, Slot] = {}
        for item in self.query(_TASKS):
            name = item["item"]["S"]
            with legible(f"{_TASKS}, {name}"):
                found[name] = tasks.from_json(json.loads(item["runs"]["S"]), int(item["version"]["N"]))
        return found

    def write(self, name: str, slot: Slot) -> Slot:
        """Write a slot; gives it as the table holds it now.

        Raises:
            OvertakenError: another writer was quicker.

        """
        self.put(_TASKS, name, slot.version, runs=json.dumps(tasks.to_json(slot)))
        return slot._replace(version=slot.version + 1)
