"""`/v2/`: is this a registry, and may I talk to it? Spec: distribution-spec 1.1, "Determining Support".

And `/`, which no specification has: load balancers and charts made for Docker's registry ask it whether that is alive.
"""

from wherry.server.answers import Answer, json_answer
from wherry.server.registry import Registry
from wherry.server.request import Request

__all__ = ["show_base", "show_root"]


async def show_base(registry: Registry, request: Request) -> Answer:
    """200 and an empty object, as Docker's registry answers."""
    _ = registry, request
    return json_answer({})


async def show_root(registry: Registry, request: Request) -> Answer:
    """200, as Docker's registry answers; and where the API is, for whoever looks with a browser."""
    _ = registry, request
    return json_answer({"status": "alive", "api": "/v2/"})
