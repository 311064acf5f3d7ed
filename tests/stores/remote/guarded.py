"""A registry that asks who is there: a front of a real one that wants Basic, or the tokens of a token server."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.stores.remote.stub import Asked, Reply, Stub, front, json_reply, refused, stub

__all__ = ["Guarded", "basic_header", "behind_basic", "behind_tokens"]


def basic_header(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode(errors="surrogateescape")).decode()


@asynccontextmanager
async def behind_basic(registry: str, username: str, password: str) -> AsyncIterator[Stub]:
    """Let through only who has this name and password."""

    def checked(asked: Asked) -> Reply | None:
        if asked.headers.get("authorization") == basic_header(username, password):
            return None
        return refused(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate='Basic realm="here"')

    async with front(registry, checked, early=checked) as running:
        yield running


@dataclass
class Guarded:
    """A token server and the registry behind it. A token is `t<number>`, and good for the scopes that it was given for."""

    registry: Stub
    tokens: Stub
    scopes: dict[str, list[str]]
    settings: "Settings"

    @property
    def address(self) -> str:
        return self.registry.address

    def revoke(self) -> None:
        """No token that was given out until now is good any more."""
        self.scopes.clear()

    @property
    def queries(self) -> list[dict[str, list[str]]]:
        """What the token server was asked, GET's query or POST's form."""
        return [
            parse_qs(asked.body.decode() if asked.method == "POST" else urlsplit(asked.target).query)
            for asked in self.tokens.asked
        ]


@dataclass
class Settings:
    """How the token server behaves: fields of its answer, and who it knows (None: everybody)."""

    fields: dict[str, object] = field(default_factory=lambda: {"expires_in": 300})
    password: str | None = None
    methods: tuple[str, ...] = ("GET", "POST")
    reply: Reply | None = None
    hold: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "token"


@asynccontextmanager
async def behind_tokens(registry: str, settings: Settings | None = None) -> AsyncIterator[Guarded]:
    """Let through only who has a token for what is asked."""
    settings = settings or Settings()
    given: dict[str, list[str]] = {}
    numbers = iter(range(1, 1000))

    async def token(asked: Asked) -> Reply:
        settings.reached.set()
        if settings.hold is not None:
            await settings.hold.wait()
        if settings.reply is not None:
            return settings.reply
        if asked.method not in settings.methods:
            return Reply(405)
        if settings.password is not None and asked.headers.get("authorization") != settings.password:
            return refused(401, "UNAUTHORIZED", "incorrect username or password")
        text = asked.body.decode() if asked.method == "POST" else urlsplit(asked.target).query
        name = f"t{next(numbers)}"
        given[name] = " ".join(parse_qs(text).get("scope", [])).split()
        return json_reply({settings.name: name} | settings.fields)

    async with stub(token) as tokens:

        def checked(asked: Asked) -> Reply | None:
            scheme, _, name = asked.headers.get("authorization", "").partition(" ")
            wanted = _scope(asked)
            if scheme == "Bearer" and (wanted is None or _covered(wanted, given.get(name, []))) and name in given:
                return None
            challenge = f'Bearer realm="http://{tokens.address}/token",service="the-registry"'
            if wanted:
                challenge += f',scope="{wanted}"'
            return refused(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=challenge)

        async with front(registry, checked, early=checked) as running:
            yield Guarded(running, tokens, given, settings)


def _scope(asked: Asked) -> str | None:
    parts = asked.path.split("/")
    for kind in ("manifests", "blobs", "tags", "referrers"):
        if kind in parts[2:]:
            name = "/".join(parts[2 : parts.index(kind, 2)])
            actions = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(asked.method, "pull,push")
            if "/uploads/" in asked.path:
                actions = "pull,push"
            return f"repository:{name}:{actions}"
    return None


def _covered(wanted: str, given: list[str]) -> bool:
    resource, _, actions = wanted.rpartition(":")
    granted = {
        action for each in given if each.rpartition(":")[0] == resource for action in each.rpartition(":")[2].split(",")
    }
    return granted >= set(actions.split(","))
