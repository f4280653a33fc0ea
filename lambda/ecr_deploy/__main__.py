"""The command line, for people and scripts: `python -m ecr_deploy --help`. It does not ship with the function."""

import sys

try:
    from ecr_deploy.cli.main import main
except ModuleNotFoundError as error:
    if str(error.name).partition(".")[0] != "rich":
        raise
    sys.exit("The command line needs its extra: install ecr-deploy[cli].")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
