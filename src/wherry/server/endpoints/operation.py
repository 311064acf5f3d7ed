"""For whoever runs the registry: is it alive, can it serve, what has it done, what does its API look like."""

from collections.abc import Collection

from wherry.server.answers import Answer, json_answer
from wherry.server.health import Health
from wherry.server.registry import Registry
from wherry.server.request import Request
from wherry.server.routes import Endpoint
from wherry.server.traffic import Traffic

__all__ = ["Operation"]

_JSON = ("content-type", "application/json")
_TEXT = ("content-type", "text/plain; version=0.0.4; charset=utf-8")


class Operation:
    """The endpoints beside `/v2/`. They are answered while the server drains, too."""

    def __init__(self, health: Health, traffic: Traffic, served: Collection[Endpoint]) -> None:
        self._health = health
        self._traffic = traffic
        self._served = frozenset(served)

    async def show_health(self, registry: Registry, request: Request) -> Answer:
        """200: the process is alive, and its event loop runs; `worker` says which one it is."""
        _ = registry, request
        return json_answer({"status": "alive", "worker": self._traffic.worker})

    async def show_ready(self, registry: Registry, request: Request) -> Answer:
        """200 if the registry can serve, 503 with the reason if not."""
        _ = request
        reason = await self._trouble(registry)
        answer = json_answer({"status": "not ready", "reason": reason} if reason else {"status": "ready"})
        return Answer(503 if reason else 200, answer.headers, answer.body)

    async def show_metrics(self, registry: Registry, request: Request) -> Answer:
        """What Prometheus scrapes."""
        # prometheus_client takes 85 ms to import, and many registries are never scraped.
        from wherry.server.exposition import expose  # noqa: PLC0415

        _ = request
        trouble = await self._trouble(registry)
        uploads = await registry.sessions.count()
        return Answer(200, [_TEXT], expose(self._traffic, open_uploads=uploads, ready=not trouble))

    async def show_description(self, registry: Registry, request: Request) -> Answer:
        """The API that is served here, as OpenAPI has it."""
        # Tables as large as all the rest of the server, and most registries are never asked for them.
        from wherry.server.openapi.document import describe  # noqa: PLC0415

        _ = registry, request
        return Answer(200, [_JSON], describe(self._served))

    async def _trouble(self, registry: Registry) -> str:
        if self._health.draining:
            return "the registry is stopping"
        reason = self._health.trouble()
        if not reason:
            await registry.metadata.repositories("", 1)  # raises what is wrong with the database
        return reason
