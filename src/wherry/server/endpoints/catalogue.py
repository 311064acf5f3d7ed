"""`/v2/_catalog`: Docker's list of repositories; the OCI specification has none."""

from wherry.server.answers import Answer, json_answer
from wherry.server.endpoints.pages import Page
from wherry.server.registry import Registry
from wherry.server.request import Request

__all__ = ["list_repositories"]


async def list_repositories(registry: Registry, request: Request) -> Answer:
    """Names in byte order."""
    page = Page.of(request, registry.policy.largest_page)
    names = await registry.metadata.repositories(page.last, page.size + 1)
    shown = names[: page.size]
    link = page.link(request.path, shown[-1]) if shown and len(names) > page.size else []
    return json_answer({"repositories": shown}, link)
