"""`/v2/`: is this a registry, and may I talk to it? Spec: distribution-spec 1.1, "Determining Support"."""

from wherry.server.answers import Answer, json_answer
from wherry.server.registry import Registry
from wherry.server.request import Request

__all__ = ["show_base"]


async def show_base(registry: Registry, request: Request) -> Answer:
    """200 and an empty object, as Docker's registry answers."""
    _ = registry, request
    return json_answer({})
