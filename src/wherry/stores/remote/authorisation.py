"""Authorisation: from a registry's challenge to the header that answers it.

A registry that wants to know who asks answers 401 with a challenge. `Basic` takes the user's name and password on every
request. `Bearer` names a token server (`realm`): it is asked, with the password or an identity token or nothing, for a
token that covers the scopes at hand; the token then goes with the requests until it expires. The first challenge is
remembered, so that later requests fetch their tokens without being refused first.

Spec: RFC 9110, 11; distribution's token authentication specification (GET) and its OAuth2 form (POST).
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pyreqwest.http import Url

from wherry.oci.document import NotJSON, decode, text_at
from wherry.oci.errors import Exchange, InvalidDescriptor, Unauthorized, UnexpectedResponse
from wherry.oci.wire.challenge import Challenge
from wherry.stores.remote.credentials import Credential, Credentials
from wherry.stores.remote.reach import Policy
from wherry.stores.remote.scopes import Scopes

__all__ = ["Ask", "Authoriser", "Told"]

_LIFETIME = 60.0  # seconds that a token lives if its server does not say (token specification)
_MARGIN = 10.0  # seconds that a token must still live to be used
_CLIENT = "wherry"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Told:
    """A token server's answer."""

    exchange: Exchange
    status: int
    body: bytes
    words: str


Ask = Callable[[str, str, Mapping[str, str], bytes], Awaitable[Told]]
"""Sends one request to a token server: method, URL, headers, body."""


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    scopes: Scopes
    expires: float  # on the monotonic clock


class Authoriser:
    """What one registry wants to see in `Authorization`, learnt as it goes."""

    def __init__(self, registry: str, credentials: Credentials | None, policy: Policy, ask: Ask) -> None:
        self._registry = registry
        self._credentials = credentials
        self._policy = policy
        self._ask = ask
        self._challenge: Challenge | None = None
        self._tokens: list[_Token] = []
        self._locks: dict[Scopes, asyncio.Lock] = {}
        self._looked_up = asyncio.Lock()
        self._credential: Credential | None = None
        self._known = credentials is None
        self._refresh_token = ""

    async def header(self, scopes: Scopes) -> str | None:
        """The header for a request that needs these scopes; None while no challenge is known, or none can be met.

        Raises:
            Unauthorized: the token server refuses.
        """
        if self._challenge is None:
            return None
        return await self._answer(self._challenge, scopes, refused=None)

    async def after_refusal(self, challenges: Iterable[Challenge], scopes: Scopes, refused: str | None) -> str | None:
        """The header to try after a 401; None if there is no other to try.

        Args:
            refused: the header that was refused, if there was one.
        Raises:
            Unauthorized: the token server refuses.
        """
        challenge = self._best(challenges)
        if challenge is None:
            return None
        self._challenge = challenge
        header = await self._answer(challenge, scopes, refused=refused)
        return None if header == refused else header

    async def who(self) -> str:
        """As whom requests are made, for messages."""
        credential = await self.credential()
        return f"anonymously: no credentials for {self._registry}" if credential is None else f"as {credential.who}"

    async def credential(self) -> Credential | None:
        """The user's credential for this registry, looked up once."""
        async with self._looked_up:
            if not self._known and self._credentials is not None:
                self._credential = await self._credentials.find(self._registry)
                self._known = True
        return self._credential

    def learn(self, challenges: Iterable[Challenge]) -> None:
        """Remember a challenge that came before anything was asked for."""
        self._challenge = self._best(challenges) or self._challenge

    def _best(self, challenges: Iterable[Challenge]) -> Challenge | None:
        known = {each.scheme: each for each in reversed(tuple(challenges))}
        bearer = known.get("bearer")
        return bearer if bearer is not None and bearer.parameters.get("realm") else known.get("basic")

    async def _answer(self, challenge: Challenge, scopes: Scopes, refused: str | None) -> str | None:
        credential = await self.credential()
        if credential is not None and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        if challenge.scheme == "basic":
            return _basic(credential) if credential is not None and credential.username else None
        wanted = scopes | Scopes.parse(challenge.parameters.get("scope", "")) if refused is not None else scopes
        async with self._locks.setdefault(wanted, asyncio.Lock()):
            now = time.monotonic()
            self._tokens = [each for each in self._tokens if each.expires > now and each.header != refused]
            for token in self._tokens:
                if token.scopes.covers(wanted):
                    return token.header
            token = await self._fetched(challenge, wanted, credential)
            self._tokens.append(token)
            return token.header

    async def _fetched(self, challenge: Challenge, scopes: Scopes, credential: Credential | None) -> _Token:
        realm, service = challenge.parameters["realm"], challenge.parameters.get("service", "")
        url = self._realm(realm, has_secret=credential is not None)
        asked = time.monotonic()
        if credential is not None and credential.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "client_id": _CLIENT,
                "scope": " ".join(scopes.texts()),
                "refresh_token": self._refresh_token or credential.identity_token,
            }
            told = await self._ask("POST", str(url), _FORM, urlencode(form).encode())
        else:
            query = [("service", service)] if service else []
            query += [("scope", text) for text in scopes.texts()]
            headers = {}
            if credential is not None and credential.username:
                query.append(("account", credential.username))
                headers["Authorization"] = _basic(credential)
            told = await self._ask("GET", str(url.extend_query(query)), headers, b"")
        return await self._token(told, scopes, asked)

    def _realm(self, realm: str, *, has_secret: bool) -> Url:
        try:
            url = Url(realm)
        except ValueError:
            url = None
        if url is None or url.scheme not in {"http", "https"}:
            raise UnexpectedResponse(f"{self._registry}: its challenge names no token server: realm {realm!r}")
        if url.scheme == "http" and has_secret and not self._policy.allows_plain(url):
            raise Unauthorized(
                f"{self._registry}: its token server, {realm}, speaks plain HTTP: no password is sent there",
                hint="if you trust the network in between, use --insecure",
            )
        return url

    async def _token(self, told: Told, scopes: Scopes, asked: float) -> _Token:
        if told.status != 200:  # noqa: PLR2004  # the one status with a token
            raise await self._refused(told)
        try:
            document = decode(told.body)
            text = text_at(document, "token") or text_at(document, "access_token")
            self._refresh_token = text_at(document, "refresh_token") or self._refresh_token
        except (NotJSON, InvalidDescriptor, AttributeError):
            document, text = {}, None
        if not text or not text.isascii() or not text.isprintable():
            raise UnexpectedResponse(
                f"{self._registry}: its token server answered without a token",
                request=told.exchange,
                status=told.status,
            )
        return _Token(f"Bearer {text}", scopes, asked + _lifetime(document) - _MARGIN)

    async def _refused(self, told: Told) -> Unauthorized | UnexpectedResponse:
        words = f": {told.words}" if told.words else ""
        if told.status in {400, 401, 403}:
            return Unauthorized(
                f"{self._registry}: its token server refused{words} (asked {await self.who()})",
                words=told.words,
                hint=f"check the credentials: `docker login {self._registry}`",
                request=told.exchange,
                status=told.status,
            )
        return UnexpectedResponse(
            f"{self._registry}: its token server does not work{words}", request=told.exchange, status=told.status
        )


def _basic(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _lifetime(document: Mapping[str, Any]) -> float:
    seconds = document.get("expires_in")
    if isinstance(seconds, int | float) and seconds > 0:
        return max(float(seconds), _MARGIN + 1)
    return _LIFETIME
