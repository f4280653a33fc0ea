"""The command line, for people and scripts: `python -m ecr_deploy --help`. It does not ship with the function."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
