"""`/v2/<name>/tags/list`. Spec: distribution-spec 1.1, "Listing Tags"."""

from wherry.oci.errors import NameUnknown
from wherry.server.answers import Answer, json_answer
from wherry.server.endpoints.pages import Page
from wherry.server.registry import Registry
from wherry.server.request import Request

__all__ = ["list_tags"]


async def list_tags(registry: Registry, request: Request) -> Answer:
    """Tags in byte order."""
    name = request.route.name
    page = Page.of(request, registry.policy.largest_page)
    tags = await registry.metadata.tags(name, page.last, page.size + 1)
    if tags is None:
        raise NameUnknown("no such repository", detail={"name": name})
    shown = tags[: page.size]
    link = page.link(request.path, shown[-1]) if shown and len(tags) > page.size else []
    return json_answer({"name": name, "tags": shown}, link)
