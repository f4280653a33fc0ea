"""Refuses a coverage report (JSON) with too few branches; coverage's own `fail_under` counts lines along with them.

python -m tests.harness.branch_coverage REPORT PERCENT
"""

import json
import sys
from pathlib import Path


def main() -> None:
    report, least = sys.argv[1:]
    covered = json.loads(Path(report).read_text())["totals"]["percent_branches_covered"]
    sentence = f"{covered:.1f} % of the package's branches are covered"
    if covered < float(least):
        sys.exit(f"{sentence}; at least {least} % must be.")
    sys.stdout.write(f"{sentence}.\n")


if __name__ == "__main__":
    main()
