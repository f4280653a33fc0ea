"""The command line as a module: `python -m ecr_deploy`, for where its script is not on the path."""

from ecr_deploy.cli.main import main

if __name__ == "__main__":
    main()
