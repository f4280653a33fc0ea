"""The command that proves a set-up from outside: doctor."""

from collections.abc import Iterator

from ecr_deploy.cli import checks_of_fleet, checks_of_setup
from ecr_deploy.cli.local import LocalConnection
from ecr_deploy.cli.options import DONE, FAILED, Caller, command
from ecr_deploy.cli.patient import OK, UNKNOWN, WRONG, Check, Finding, Patient
from ecr_deploy.core.errors import EcrDeployError


@command("doctor", local=True)
def doctor(caller: Caller) -> int:
    """Say what is wrong with a set-up, and what mends it.

    It looks at the function, rules, event source mapping, queues, table, key and role, and at the services: what your
    own credentials may not read is unknown, and says so. With --local it looks at the services alone. Exit code 1 says
    that something is wrong, which a warning is not.
    """
    checks = checks_of_fleet.CHECKS
    if not isinstance(caller.connection, LocalConnection):
        checks = (*checks_of_setup.CHECKS, *checks)
        # Without a function, no check has anything to look at.
        _ = caller.connection.settings
    patient = Patient(caller.connection)
    shown = []
    is_wrong = False
    for check in checks:
        name, holds = check.__name__.replace("_", " "), (check.__doc__ or "").partition(".")[0]
        with caller.screen.working(f"Checking: {name}"):
            findings = list(_examine(check, patient)) or [Finding(OK, holds)]
        for finding in findings:
            is_wrong |= finding.level == WRONG
            shown.append({"check": name, "level": finding.level, "text": finding.text, "mend": finding.mend})
            if not caller.screen.as_json:
                caller.screen.check(name, *finding)
    if caller.screen.as_json:
        caller.screen.json({"checks": shown})
    return FAILED if is_wrong else DONE


def _examine(check: Check, patient: Patient) -> Iterator[Finding]:
    try:
        yield from check(patient)
    except EcrDeployError as error:
        yield Finding(UNKNOWN, f"it can't be checked: {error}")
