"""Trust: the CA bundle is read once, not again for each connection, which takes 25 to 50 ms on a core.

urllib3 loads the bundle into a client's SSL context whenever it connects. https://github.com/urllib3/urllib3/issues/3623
"""

from functools import cache
from typing import Any

from botocore import httpsession


def share(client: Any) -> Any:
    """Give a client that connects with the SSL context that all share; with a botocore without that hook, as it was."""
    try:
        arguments = client._endpoint.http_session._manager.connection_pool_kw  # noqa: SLF001 - boto3 takes no context
        arguments["ssl_context"] = _context()
    except (AttributeError, TypeError):
        pass
    return client


@cache
def _context() -> Any:
    """A context as botocore makes it, which loads each bundle only once: botocore's, or AWS_CA_BUNDLE's."""
    context = httpsession.create_urllib3_context()
    context.load_verify_locations = cache(context.load_verify_locations)
    return context
