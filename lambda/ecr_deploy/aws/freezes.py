"""The table's item of what is frozen."""

from collections.abc import Callable, Iterable

from ecr_deploy.aws.dynamodb import Items
from ecr_deploy.aws.table import FREEZES, freezes_of
from ecr_deploy.core import freezes
from ecr_deploy.core.freezes import Freeze


class Freezes(Items):
    """What is frozen."""

    def change(
        self, changed: Callable[[tuple[Freeze, ...]], Iterable[Freeze]]
    ) -> tuple[tuple[Freeze, ...], tuple[Freeze, ...]]:
        """Change what is frozen; gives what was and what is.

        Raises:
            MalformedItemError: somebody edited the item.
            OvertakenError: another writer was quicker.

        """
        item = next(self.query(FREEZES), None)
        before = freezes_of(item)
        after = tuple(changed(before))
        self.put(FREEZES, "memory", int(item["version"]["N"]) if item else 0, freezes=freezes.to_text(after))
        return before, after
