"""The RSGI application: finds the endpoint, runs it, and turns what it raises into an answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from granian.rsgi import HTTPProtocol, Scope

from wherry.oci.errors import Unsupported, WherryError
from wherry.server.answers import Answer, FileAnswer, failure_of_ours, refusal, send
from wherry.server.endpoints import base, blobs, catalogue, manifests, referrers, tags, uploads
from wherry.server.registry import Registry
from wherry.server.request import Request
from wherry.server.routes import Endpoint, find_route

__all__ = ["Application"]

_log = logging.getLogger("wherry.server")

Handler = Callable[[Registry, Request], Awaitable[Answer | FileAnswer]]

_HANDLERS: dict[Endpoint, dict[str, Handler]] = {
    Endpoint.BASE: {"GET": base.show_base},
    Endpoint.CATALOGUE: {"GET": catalogue.list_repositories},
    Endpoint.MANIFEST: {
        "GET": manifests.show_manifest,
        "PUT": manifests.push_manifest,
        "DELETE": manifests.delete_manifest,
    },
    Endpoint.BLOB: {"GET": blobs.show_blob, "DELETE": blobs.delete_blob},
    Endpoint.UPLOADS: {"POST": uploads.begin_upload},
    Endpoint.UPLOAD: {
        "GET": uploads.show_upload,
        "PATCH": uploads.continue_upload,
        "PUT": uploads.finish_upload,
        "DELETE": uploads.cancel_upload,
    },
    Endpoint.TAGS: {"GET": tags.list_tags},
    Endpoint.REFERRERS: {"GET": referrers.list_referrers},
}
for _methods in _HANDLERS.values():
    if "GET" in _methods:
        _methods["HEAD"] = _methods["GET"]


class Application:
    """One registry, answering. `requests` are the tasks that are at it right now."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.requests: set[asyncio.Task[object]] = set()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - granian runs every request in a task
        self.requests.add(task)
        try:
            answer = await self._answer(scope, protocol)
        except WherryError as failure:
            answer = refusal(failure)
        except Exception:
            _log.exception("%s %s failed", scope.method, scope.path)
            answer = failure_of_ours()
        finally:
            self.requests.discard(task)
        send(answer, protocol, head=scope.method == "HEAD")

    async def _answer(self, scope: Scope, protocol: HTTPProtocol) -> Answer | FileAnswer:
        route = find_route(scope.path)
        methods = _HANDLERS[route.endpoint]
        handler = methods.get(scope.method)
        if handler is None:
            allowed = ", ".join(methods)
            failure = Unsupported(f"{scope.method} is not for {route.endpoint.value}", detail={"allowed": allowed})
            return refusal(failure, [("allow", allowed)])
        return await handler(self._registry, Request(scope, protocol, route, self._registry.policy.body_timeout))
