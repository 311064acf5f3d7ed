"""The RSGI application: finds the endpoint, runs it, and turns what it raises into an answer."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from wherry.oci.errors import RegistryError, TooManyRequests, Unavailable, Unsupported, WherryError
from wherry.server.access_log import AccessLog
from wherry.server.answers import Answer, FileAnswer, failure_of_ours, refusal, send
from wherry.server.endpoints import base, blobs, catalogue, manifests, referrers, tags, uploads
from wherry.server.endpoints.operation import Operation
from wherry.server.health import Health
from wherry.server.registry import Registry
from wherry.server.request import Request
from wherry.server.routes import Endpoint, find_route, no_endpoint
from wherry.server.rsgi import HTTPProtocol, Scope
from wherry.server.traffic import Number, Traffic

__all__ = ["OPERATION", "Application"]

OPERATION = frozenset((Endpoint.HEALTH, Endpoint.READY, Endpoint.METRICS))
"""The endpoints for whoever runs the registry; they may be served at an address of their own."""

_UPLOADS = (Endpoint.UPLOADS, Endpoint.UPLOAD)
_BODIES = ("POST", "PATCH", "PUT")
_READS = ("GET", "HEAD")
_SHORT = 1024 * 1024  # bytes of a body that nobody wants
_LONG = 1024 * _SHORT
_RETRY = 5.0  # seconds
_NOT_ALLOWED = 405
_LINGER = 5.0  # seconds

_WITHOUT_HOST = RegistryError(
    "the request does not have exactly one Host header, as HTTP/1.1 wants it", hint="RFC 9112, 3.2; HTTP/1.0 needs none"
)

_log = logging.getLogger("wherry.server")

Handler = Callable[[Registry, Request], Awaitable[Answer | FileAnswer]]

_HANDLERS: dict[Endpoint, dict[str, Handler]] = {
    Endpoint.ROOT: {"GET": base.show_root},
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


def _handlers(operation: Operation, served: Collection[Endpoint]) -> dict[Endpoint, dict[str, Handler]]:
    """The endpoints that are served: of those of the registry, and those for whoever runs it."""
    handlers = _HANDLERS | {
        Endpoint.HEALTH: {"GET": operation.show_health},
        Endpoint.READY: {"GET": operation.show_ready},
        Endpoint.METRICS: {"GET": operation.show_metrics},
        Endpoint.DESCRIPTION: {"GET": operation.show_description},
    }
    for methods in handlers.values():
        if "GET" in methods:
            methods["HEAD"] = methods["GET"]
    return {endpoint: methods for endpoint, methods in handlers.items() if endpoint in served}


class Application:
    """One registry, answering; what it does is counted in `traffic`, and written to `log`. The rest of `served` is 404."""

    def __init__(
        self,
        registry: Registry,
        health: Health,
        traffic: Traffic | None = None,
        log: AccessLog | None = None,
        served: Collection[Endpoint] = tuple(Endpoint),
    ) -> None:
        self._registry = registry
        self._health = health
        self._traffic = traffic or Traffic()
        self._log = log
        self._handlers = _handlers(Operation(health, self._traffic, served), served)
        self._writers: set[asyncio.Task[object]] = set()  # that read a body, or change something, right now
        self._abandoned = False

    @property
    def methods(self) -> Mapping[Endpoint, Collection[str]]:
        """What each endpoint that is served can be asked."""
        return self._handlers

    def drain(self) -> None:
        """Say that the registry is not ready any more; everything is answered as before."""
        self._health.draining = True

    def abandon(self) -> None:
        """Wait for no client any more: requests that are under way are answered with 503."""
        self._abandoned = True
        for task in self._writers:
            task.cancel()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        begun = time.perf_counter()
        request = Request(scope, protocol, self._registry.policy)
        if len(scope.headers.get_all("host")) != 1 and scope.http_version != "1":
            self._refuse(_WITHOUT_HOST, request, protocol, begun)
            return
        if request.method in _READS:  # nothing of it waits for the client: files are sent behind our back
            self._send(await self._answer(request), request, protocol, begun)
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # granian runs every request in a task
        self._writers.add(task)
        try:
            await self._answer_writer(request, protocol, begun)
        finally:
            self._writers.discard(task)

    async def _answer_writer(self, request: Request, protocol: HTTPProtocol, begun: float) -> None:
        """Answer, and read what nobody wanted of the body.

        A connection that is closed on a client that still writes may lose the answer, and the reason with it. So a short
        rest is read first, and the connection carries the next request; a long one is read for a while after the answer.
        """
        try:
            answer = await self._answer(request)
            if await request.spend_rest(_SHORT):
                self._send(answer, request, protocol, begun)
                return
        except asyncio.CancelledError:
            if not self._abandoned:
                raise
            answer = refusal(Unavailable("the registry is stopping"))
        answer.headers.append(("connection", "close"))
        self._send(answer, request, protocol, begun)
        if not self._abandoned:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LINGER):
                    await request.spend_rest(_LONG)

    def _refuse(self, failure: WherryError, request: Request, protocol: HTTPProtocol, begun: float) -> None:
        """Answer without looking further; whatever else the client sends on this connection is not to be trusted."""
        self._send(refusal(failure, [("connection", "close")]), request, protocol, begun)

    def _send(self, answer: Answer | FileAnswer, request: Request, protocol: HTTPProtocol, begun: float) -> None:
        """Send an answer, and write down that it was."""
        identifier = ""
        if self._log is not None:
            identifier = self._log.identify(request)
            answer.headers.append(("x-request-id", identifier))
        sent = send(answer, protocol, head=request.method == "HEAD")
        seconds = time.perf_counter() - begun
        route, received = request.route, request.received
        self._traffic.note(route.endpoint, request.method, answer.status, received=received, sent=sent, seconds=seconds)
        if self._log is not None:
            self._log.write(request, identifier, answer.status, sent, seconds)

    @contextmanager
    def _receiving(self) -> Iterator[None]:
        """A blob comes in, unless too many do."""
        if self._traffic.total(Number.UPLOADING) >= self._registry.policy.most_uploads:
            failure = TooManyRequests("as many blobs come in as are taken at once", hint="try again in a few seconds")
            failure.retry_after = _RETRY
            raise failure
        self._traffic.add(Number.UPLOADING)
        try:
            yield
        finally:
            self._traffic.add(Number.UPLOADING, -1)

    async def _answer(self, request: Request) -> Answer | FileAnswer:
        try:
            route = request.route = find_route(request.path)
            methods = self._handlers.get(route.endpoint)
            if methods is None:
                return refusal(no_endpoint(request.path))
            handler = methods.get(request.method)
            if handler is None:
                return _not_allowed(request, methods)
            if request.method in _BODIES and route.endpoint in _UPLOADS:
                with self._receiving():
                    return await handler(self._registry, request)
            return await handler(self._registry, request)
        except WherryError as failure:
            if (
                failure.status == _NOT_ALLOWED
            ):  # not now: something needs it (RFC 9110, 15.5.6, wants the header all the same)
                others = [each for each in self._handlers[request.route.endpoint] if each != request.method]
                return refusal(failure, [("allow", ", ".join(others))])
            return refusal(failure)
        except Exception as error:  # noqa: BLE001  # the last resort: it is logged whole, and the client gets an answer
            if self._health.trouble() or self._health.explains(error):  # known, and logged once
                return refusal(
                    Unavailable("the registry's storage cannot be used", hint="tell whoever runs the registry")
                )
            _log.exception("%s %s failed", request.method, request.path)
            return failure_of_ours()


def _not_allowed(request: Request, methods: Iterable[str]) -> Answer:
    allowed = ", ".join(methods)
    endpoint = request.route.endpoint
    failure = Unsupported(
        f"{request.method} is not for {endpoint.value}",
        detail={"allowed": allowed},
        hint=_MEANT.get((request.method, endpoint)),
    )
    return refusal(failure, [("allow", allowed)])


_MEANT = {
    (
        "POST",
        Endpoint.UPLOAD,
    ): "an upload begins with POST …/blobs/uploads/, without more behind the slash (curl -T adds the file's name"
    " there, --data-binary @FILE does not), and ends with PUT <location>?digest=…",
    ("PUT", Endpoint.UPLOADS): "an upload begins with POST; PUT goes to the Location that it answers",
    ("PUT", Endpoint.BLOB): "a blob is pushed with POST …/blobs/uploads/?digest=…",
    ("POST", Endpoint.BLOB): "a blob is pushed with POST …/blobs/uploads/?digest=…",
    ("POST", Endpoint.MANIFEST): "a manifest is pushed with PUT",
}
"""What to do instead of some methods that people try."""
