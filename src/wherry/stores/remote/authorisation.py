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
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from pyreqwest.http import Url

from wherry.oci.document import NotJSON, decode, text_at
from wherry.oci.errors import Exchange, InvalidDescriptor, Unauthorized, UnexpectedResponse
from wherry.oci.wire.challenge import Challenge
from wherry.stores.remote.credentials import Credential, Credentials, HelperAbsent
from wherry.stores.remote.reach import Policy
from wherry.stores.remote.scopes import NOTHING, Scopes

__all__ = ["Ask", "Authoriser", "Told"]

_LIFETIME = 60.0  # seconds that a token lives if its server does not say (token specification)
_LONGEST_LIFE = 1e9  # seconds: JSON has numbers beyond all floats
_MARGIN = 10.0  # seconds that a token must still live to be used
_NO_SUCH_METHOD = (404, 405)
_CLIENT = "wherry"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Told(Struct, frozen=True):
    """A token server's answer."""

    exchange: Exchange
    status: int
    body: bytes
    words: str


Ask = Callable[[str, str, Mapping[str, str], bytes], Awaitable[Told]]
"""Sends one request to a token server: method, URL, headers, body."""


class _Token(Struct, frozen=True):
    header: str
    scopes: Scopes
    expires: float  # on the monotonic clock
    credential: Credential | None


class Authoriser:
    """What one registry wants to see in `Authorization`, learnt as it goes."""

    def __init__(self, registry: str, credentials: Credentials | None, policy: Policy, ask: Ask) -> None:
        self._registry = registry
        self._credentials = credentials
        self._policy = policy
        self._ask = ask
        self.challenge: Challenge | None = None
        self.wants_identity = False
        """Whether to ask for an identity token, which can be kept in the password's place: at a login."""
        self.is_exposed = False
        """Whether others can read and change what the registry says, and its word for who gives tokens: then these are no safer."""
        self._tokens: list[_Token] = []
        self._ready: dict[Scopes, _Token] = {}  # which of them serves for what: most requests are like others before
        self._locks: dict[Scopes, asyncio.Lock] = {}
        self._looking_up = asyncio.Lock()
        self._found: dict[str, Credential | None] = {}  # by repository: some sources keep one for each
        self._absent: HelperAbsent | None = None
        self._refresh_tokens: dict[Credential, str] = {}

    async def header(self, scopes: Scopes) -> str | None:
        """The header for a request that needs these scopes; None while no challenge is known, or none can be met.

        Raises:
            Unauthorized: the token server refuses.
        """
        if self.challenge is None:
            return None
        ready = self._ready.get(scopes)
        if ready is not None and ready.expires > time.monotonic():
            return ready.header
        return await self._answer(self.challenge, scopes)

    async def after_refusal(self, challenges: Iterable[Challenge], scopes: Scopes, refused: str | None) -> str | None:
        """The header to try after a 401; None if there is no other to try.

        Args:
            refused: the header that was refused, if there was one.
        Raises:
            Unauthorized: the token server refuses.
        """
        challenge = self._best(challenges) or self.challenge
        if challenge is None:
            return None
        self.challenge = challenge
        self._ready.clear()
        header = await self._answer(challenge, scopes, also=challenge.parameters.get("scope", ""), refused=refused)
        return None if header == refused else header

    async def who(self, scopes: Scopes = NOTHING) -> str:
        """As whom requests that need these scopes are made, for messages."""
        credential = await self.credential(scopes)
        if credential is not None:
            return f"as {credential.who}"
        return f"anonymously: {self._absent or f'no credentials for {self._registry}'}"

    async def credential(self, scopes: Scopes = NOTHING) -> Credential | None:
        """The user's credential for this registry, or for the repository that the scopes name; looked up once.

        Raises:
            CredentialsError: what should hold it does not work. A helper that is not installed is no failure: many read
                what is public with docker's configuration of another machine. `who` says so when it matters.
        """
        if self._credentials is None:
            return None
        repository = scopes.repository
        async with self._looking_up:
            if repository not in self._found:
                try:
                    self._found[repository] = await self._credentials.find(self._registry, repository)
                except HelperAbsent as error:
                    self._found[repository], self._absent = None, error
        return self._found[repository]

    def identity_token(self, credential: Credential) -> str:
        """What a token server gave in a password's place, to be kept instead of it; empty if it gave nothing."""
        return self._refresh_tokens.get(credential, "")

    def learn(self, challenges: Iterable[Challenge]) -> None:
        """Remember a challenge that came before anything was asked for."""
        self.challenge = self._best(challenges) or self.challenge

    def _best(self, challenges: Iterable[Challenge]) -> Challenge | None:
        known = {each.scheme: each for each in reversed(tuple(challenges))}
        bearer = known.get("bearer")
        return bearer if bearer is not None and bearer.parameters.get("realm") else known.get("basic")

    async def _answer(
        self, challenge: Challenge, scopes: Scopes, *, also: str = "", refused: str | None = None
    ) -> str | None:
        """`also` are scopes in the registry's own words: some have other names for repositories than we."""
        credential = await self.credential(scopes)
        if credential is not None and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        if challenge.scheme == "basic":
            return _basic(credential) if credential is not None and credential.username else None
        wanted = scopes | Scopes.parse(also)
        async with self._locks.setdefault(wanted, asyncio.Lock()):
            now = time.monotonic()
            self._tokens = [each for each in self._tokens if each.expires > now and each.header != refused]
            for token in self._tokens:
                if token.credential == credential and token.scopes.covers(wanted):
                    break
            else:
                token = await self._fetched(challenge, wanted, credential)
                self._tokens.append(token)
            self._ready[scopes] = token
            return token.header

    async def _fetched(self, challenge: Challenge, scopes: Scopes, credential: Credential | None) -> _Token:
        service = challenge.parameters.get("service", "")
        url = self._realm(challenge.parameters["realm"], has_secret=credential is not None)
        asked = time.monotonic()
        if credential is not None and credential.identity_token:
            refresh_token = self._refresh_tokens.get(credential, credential.identity_token)
            grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
            told = await self._traded(url, service, scopes, grant)
        else:
            told = await self._given(url, service, scopes, credential)
        if told.status in _NO_SUCH_METHOD and credential is not None and credential.password:
            if credential.identity_token:
                told = await self._given(url, service, scopes, credential)
            else:
                grant = {"grant_type": "password", "username": credential.username, "password": credential.password}
                told = await self._traded(url, service, scopes, grant)
        return await self._token(told, scopes, asked, credential)

    async def _given(self, url: Url, service: str, scopes: Scopes, credential: Credential | None) -> Told:
        """GET, which all token servers know but those that know only OAuth2."""
        query = [("service", service)] if service else []
        query += [("scope", text) for text in scopes.texts()]
        headers = {}
        if credential is not None and credential.username:
            query.append(("account", credential.username))
            if self.wants_identity:
                query += [("client_id", _CLIENT), ("offline_token", "true")]
            headers["Authorization"] = _basic(credential)
        return await self._ask("GET", str(url.extend_query(query)), headers, b"")

    async def _traded(self, url: Url, service: str, scopes: Scopes, grant: Mapping[str, str]) -> Told:
        """POST, OAuth2's form: a password or an identity token for a token."""
        form = {"service": service, "client_id": _CLIENT, "scope": " ".join(scopes.texts())} | dict(grant)
        if self.wants_identity:
            form["access_type"] = "offline"
        return await self._ask("POST", str(url), _FORM, urlencode(form, errors="surrogateescape").encode())

    def _realm(self, realm: str, *, has_secret: bool) -> Url:
        try:
            url = Url(realm)
        except ValueError:
            url = None
        if url is None or url.scheme not in {"http", "https"}:
            raise UnexpectedResponse(f"{self._registry}: its challenge names no token server: realm {realm!r}")
        is_allowed = self.is_exposed or self._policy.allows_plain(url)
        if url.scheme == "http" and has_secret and not is_allowed:
            raise Unauthorized(
                f"{self._registry}: its token server, {realm}, speaks plain HTTP: no password is sent there",
                hint="if you trust the network in between, use --insecure",
            )
        return url

    async def _token(self, told: Told, scopes: Scopes, asked: float, credential: Credential | None) -> _Token:
        if told.status != 200:  # noqa: PLR2004  # the one status with a token
            raise await self._refused(told, scopes)
        try:
            document = decode(told.body)
            text = text_at(document, "token") or text_at(document, "access_token")
            refresh_token = text_at(document, "refresh_token")
        except (NotJSON, InvalidDescriptor, AttributeError):
            document, text, refresh_token = {}, None, None
        if not text or not text.isascii() or not text.isprintable():
            raise UnexpectedResponse(
                f"{self._registry}: its token server answered without a token",
                request=told.exchange,
                status=told.status,
            )
        if credential is not None and refresh_token:
            self._refresh_tokens[credential] = refresh_token
        return _Token(f"Bearer {text}", scopes, asked + _left(document) - _MARGIN, credential)

    async def _refused(self, told: Told, scopes: Scopes) -> Unauthorized | UnexpectedResponse:
        words = f": {told.words}" if told.words else ""
        if told.status in {400, 401, 403}:
            return Unauthorized(
                f"{self._registry}: its token server refused{words} (asked {await self.who(scopes)})",
                words=told.words,
                hint=f"check the credentials: `wherry login {self._registry}`",
                request=told.exchange,
                status=told.status,
            )
        return UnexpectedResponse(
            f"{self._registry}: its token server does not work{words}", request=told.exchange, status=told.status
        )


def _basic(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.password}".encode(errors="surrogateescape")
    return f"Basic {base64.b64encode(pair).decode()}"


def _left(document: Mapping[str, Any]) -> float:
    """Seconds that a token still lives when it arrives. Some servers hand out the same one for a while."""
    seconds = document.get("expires_in")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds <= 0:
        seconds = _LIFETIME
    seconds = min(seconds, _LONGEST_LIFE)
    age = _age(document.get("issued_at"))
    return max(float(seconds) - (age if age < seconds else 0), _MARGIN + 1)


def _age(issued_at: object) -> float:
    """Seconds since a token was made; 0 if that is not said, or cannot be: then one of the two clocks is wrong."""
    try:
        made = datetime.fromisoformat(str(issued_at))
        return max(time.time() - made.timestamp(), 0) if made.tzinfo else 0
    except (ValueError, OverflowError):
        return 0
