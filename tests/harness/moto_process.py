"""The process behind `moto_server`: says which port it listens on, and ends when its standard input does.

The pipe is held by whoever started it, so it ends with its parent even if that is killed.
"""

import os
import sys

from moto.events.utils import EventTemplateParser
from moto.server import ThreadedMotoServer
from moto.sqs.models import Queue


def main() -> None:
    # moto takes each message itself as it arrives, to run the function in Docker, and puts it back when there is none:
    # received once more, or swallowed. Here the mapping is polled by `event_source` alone.
    setattr(Queue, "lambda_event_source_mappings", property(lambda _: {}, lambda _, __: None))  # noqa: B010
    # moto delivers events without the account that AWS says they come from.
    template = EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE
    EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE = template.replace("{", '{"account": "<account>", ', 1)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdin.read()


if __name__ == "__main__":
    main()
