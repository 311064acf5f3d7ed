"""A session with one registry: every request of ours to it goes through here, and comes back answered or refused.

In order: which way to reach it (found out once), the `Authorization` that it is known to want, the request, its redirects
(credentials stay with their host), and after a 401 one more try with fresh authorisation. Whatever the caller did not
expect is raised as the error that it means; what may go well the next time is first tried again (`retrying`), and nothing is
sent faster than the registry asks for (`pace`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from msgspec import Struct
from pyreqwest.http import Url

from wherry.oci.errors import (
    Denied,
    Exchange,
    NotFound,
    RegistryError,
    TimedOut,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
    Unreachable,
    WherryError,
)
from wherry.oci.wire.challenge import Challenge, read_challenges
from wherry.oci.wire.errors import read_errors
from wherry.stores.remote.arrival import arrive
from wherry.stores.remote.authorisation import Authoriser, Told
from wherry.stores.remote.credentials import Credential, Credentials
from wherry.stores.remote.failures import ClosedEarly
from wherry.stores.remote.hosts import Host, Hosts, NoHosts
from wherry.stores.remote.learnt import Learnt
from wherry.stores.remote.pace import Pace
from wherry.stores.remote.reach import Policy, Way, authority, resolved, same_host
from wherry.stores.remote.refusals import LARGEST_ERROR, Missing, is_page, page, refusal, words_of
from wherry.stores.remote.retrying import WALL_CLOCK, Clock, Patience, Trying, is_worth_another_try
from wherry.stores.remote.scopes import NOTHING, Scopes
from wherry.stores.remote.transport import Answer, Body, Transport
from wherry.stores.remote.trust import Trust

__all__ = ["Direct", "Greeting", "LoggedIn", "Request", "Session", "exchange_of"]

_MOST_REDIRECTS = 10
_TROUBLE = frozenset((408, 429))
_SERVER_ERROR = 500
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_OK, _SEE_OTHER, _UNAUTHORIZED, _GONE = 200, 303, 401, 404
_LARGEST_TOKEN = 256 * 1024

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is a path of the API or an absolute URL that the registry gave us; `place` is what it is about.

    `expected` are the statuses that the caller deals with; `missing` is what a 404 means if its body does not say.
    `patient` is whether it is tried again when it fails; a streamed body never is, its sender knows better how to go on.
    """

    method: str
    target: str
    place: str
    scopes: Scopes = NOTHING
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Body | None = None
    expected: tuple[int, ...] = (_OK,)
    missing: Missing | None = None
    patient: bool = True

    @property
    def is_streamed(self) -> bool:
        return not (self.body is None or isinstance(self.body, bytes))

    @property
    def can_repeat(self) -> bool:
        """Whether the body can be sent once more."""
        return not self.is_streamed or getattr(self.body, "can_repeat", False)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A credential to keep, which may be an identity token in the password's place.

    `was_checked` is False where the registry lets everybody in and so has not looked at it.
    """

    credential: Credential
    was_checked: bool


class Greeting(Struct, frozen=True):
    """How a registry answers who says nothing of themselves: `GET /v2/`, at `way`."""

    way: Way
    status: int
    version: str
    """`Docker-Distribution-Api-Version`; empty if it is not sent."""
    server: str
    is_page: bool
    challenge: Challenge | None


class Session(Protocol):
    """What sends requests to the registry that people call `registry`, directly or by way of its mirrors."""

    @property
    def registry(self) -> str: ...

    @property
    def learnt(self) -> Learnt: ...

    @property
    def direct(self) -> "Direct":
        """The session with the registry's own host."""

    @property
    def renames(self) -> bool:
        """Whether the repository has another name there."""

    def mistrust(self, request: Request, error: WherryError) -> None:
        """Be told that what came for a request turned out to be wrong when all of it was there."""

    def open(self, request: Request) -> AbstractAsyncContextManager[Answer]:
        """Send a request and give the answer, which has one of the expected statuses.

        Raises:
            RegistryError: the registry refuses, or answers what no registry should.
            Unreachable: no answer came.
        """

    async def ask(self, request: Request, *, limit: int = LARGEST_ERROR) -> tuple[Answer, bytes]:
        """Send a request and read the whole answer, which must not be longer than `limit` bytes.

        Raises:
            RegistryError, Unreachable: as `open`.
        """


class Direct:
    """Sends requests to one host; `registry` is what people call it, and whose credentials it gets."""

    def __init__(
        self,
        registry: str,
        transport: Transport,
        credentials: Credentials | None,
        policy: Policy,
        *,
        host: Host | None = None,
        hosts: Hosts | None = None,
        patience: Patience | None = None,
        clock: Clock = WALL_CLOCK,
    ) -> None:
        self.registry = registry
        self.host = host or Host(registry)
        self._hosts = hosts or NoHosts()
        self.learnt = Learnt()
        self._transport = transport
        self._policy = policy
        self._patience = patience or Patience()
        self._clock = clock
        self.pace = Pace(self._patience, clock)
        self._authoriser = Authoriser(registry, credentials, policy, self._ask_token_server)
        self._way: Way | None = None
        self._arriving = asyncio.Lock()

    @property
    def direct(self) -> "Direct":
        return self

    @property
    def renames(self) -> bool:
        return False

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Answer]:
        """Send a request and give the answer, which has one of the expected statuses.

        Raises:
            RegistryError: the registry refuses, or answers what no registry should.
            Unreachable: no answer came.
        """
        answer = await self._persistently(request, self._answer)
        try:
            yield answer
        finally:
            await answer.close()

    async def ask(self, request: Request, *, limit: int = LARGEST_ERROR) -> tuple[Answer, bytes]:
        """Send a request and read the whole answer, which must not be longer than `limit` bytes.

        Raises:
            RegistryError, Unreachable: as `open`.
        """

        async def exchange(request: Request) -> tuple[Answer, bytes]:
            return await self._exchanged(request, limit)

        return await self._persistently(request, exchange)

    def mistrust(self, request: Request, error: WherryError) -> None:
        """Be told that what came for a request turned out to be wrong; there is nobody else to ask."""

    def trying(self) -> Trying:
        """What is left after a failure of work that takes several requests."""
        return Trying(self._patience, self._clock)

    def is_worth_another_try(self, error: WherryError) -> bool:
        """Whether what failed may go well the next time."""
        return is_worth_another_try(error, known=self._way is not None)

    async def _persistently(self, request: Request, attempt: Callable[[Request], Awaitable[Result]]) -> Result:
        """Try a request until it is answered as expected, or there is no sense in it."""
        trying: Trying | None = None
        while True:
            await self.pace.turn(request.method, request.target)
            try:
                return await attempt(request)
            except (RegistryError, Unreachable) as error:
                self.pace.hold(error)
                if isinstance(error, Unreachable) and self._way is not None:
                    error.message = _placed(error.message, self.registry, request.place)
                is_head = request.method == "HEAD" and isinstance(error, Unavailable)  # who asks tries GET instead
                if not request.patient or request.is_streamed or is_head or not self.is_worth_another_try(error):
                    raise
                trying = trying or self.trying()
                await trying.after(error)
                if request.method == "DELETE" and _GONE not in request.expected:
                    # The answer to the first try may have been lost on its way: then there is nothing left to delete.
                    request = replace(request, expected=(*request.expected, _GONE))

    async def _exchanged(self, request: Request, limit: int) -> tuple[Answer, bytes]:
        seconds = None if request.is_streamed else self._patience.deadline
        try:
            async with asyncio.timeout(seconds):
                answer = await self._answer(request)
                try:
                    body = b"" if request.method == "HEAD" else await answer.body(limit)
                finally:
                    await answer.close()
        except TimeoutError:
            raise TimedOut(f"{request.place}: not answered within {seconds:g} s", registry=self.registry) from None
        if body is None:
            raise UnexpectedResponse(
                f"{request.place}: the answer is longer than {limit} bytes",
                hint="something else than a registry may answer there: check the host name and the port",
                request=exchange_of(request.method, answer.url),
                status=answer.status,
            )
        return answer, body

    async def greet(self) -> Greeting:
        """Ask the registry's API as nobody in particular.

        Raises:
            Unreachable: no answer came.
        """
        way = await self._arrived()
        answer = await self._send("GET", Url(f"{way.origin}{self.host.api}/"), {}, None)
        try:
            body = await answer.body(LARGEST_ERROR) or b""
            version, server = (answer.header(each) or "" for each in ("Docker-Distribution-Api-Version", "Server"))
            self._authoriser.learn(read_challenges(answer.headers("WWW-Authenticate")))
            return Greeting(way, answer.status, version, server, is_page(answer, body), self._authoriser.challenge)
        finally:
            await answer.close()

    async def credential(self, scopes: Scopes = NOTHING) -> Credential | None:
        """The credential that requests which need these scopes are made with.

        Raises:
            CredentialsError: what should hold it does not work.
        """
        return await self._authoriser.credential(scopes)

    async def who(self, scopes: Scopes = NOTHING) -> str:
        """As whom such requests are made, for people."""
        return await self._authoriser.who(scopes)

    async def log_in(self) -> LoggedIn:
        """Have the registry check our credential.

        Raises:
            Unauthorized: it refuses, or there is none.
            RegistryError, Unreachable: as `open`.
        """
        self._authoriser.wants_identity = True
        credential = await self._authoriser.credential()
        if credential is None:
            raise Unauthorized(f"{self.registry}: no credential to check")
        answer, body = await self.ask(Request("GET", f"{self.host.api}/", self.registry))
        if is_page(answer, body):
            raise page(answer, exchange_of("GET", answer.url), self.registry)
        identity_token = self._authoriser.identity_token(credential)
        kept = replace(credential, password="", identity_token=identity_token) if identity_token else credential
        return LoggedIn(kept, was_checked=self._authoriser.challenge is not None)

    async def _answer(self, request: Request) -> Answer:
        way = await self._arrived()
        home = Url(way.origin)
        url = self._url(way, request)
        header = await self._authoriser.header(request.scopes)
        tried_again = False
        for _ in range(_MOST_REDIRECTS + 2):
            sent = header if same_host(home, url) else None
            answer = await self._sent(request, url, sent)
            self.pace.learn(request.target, answer)
            if answer.status in request.expected:
                return answer
            try:
                if answer.status in _REDIRECTS:
                    request, url = self._redirected(request, url, answer)
                elif answer.status == _UNAUTHORIZED and not tried_again and request.can_repeat and same_host(home, url):
                    challenges = read_challenges(answer.headers("WWW-Authenticate"))
                    header = await self._authoriser.after_refusal(challenges, request.scopes, sent)
                    tried_again = True
                    if header is None:
                        raise await self._refusal(request, url, answer)
                else:
                    raise await self._refusal(request, url, answer)
            finally:
                await answer.close()
        raise UnexpectedResponse(
            f"{request.place}: more than {_MOST_REDIRECTS} redirects", request=exchange_of(request.method, str(url))
        )

    async def _arrived(self) -> Way:
        if self._way is None:
            async with self._arriving:
                if self._way is None:
                    self._way, challenges = await arrive(self.registry, self._transport, self._policy, self.host)
                    self._authoriser.learn(challenges)
        return self._way

    def _url(self, way: Way, request: Request) -> Url:
        try:
            return resolved(way.origin, request.target)
        except ValueError as error:
            raise UnexpectedResponse(
                f"{request.place}: the registry leads to {request.target!r}, which is no URL: {error}"
            ) from error

    async def _sent(self, request: Request, url: Url, authorization: str | None) -> Answer:
        headers = dict(request.headers)
        if authorization is not None:
            headers["Authorization"] = authorization
        try:
            return await self._send(request.method, url, headers, request.body)
        except ClosedEarly:
            # A connection that was kept open may have been closed by the other side just before it was used again.
            if request.is_streamed or not request.patient:
                raise
            return await self._send(request.method, url, headers, request.body)

    async def _send(self, method: str, url: Url, headers: Mapping[str, str], body: bytes | Body | None) -> Answer:
        at_home = self._way is not None and same_host(Url(self._way.origin), url)
        verify = self._way.verify if self._way is not None and at_home else self._policy.verifies(url)
        place = self.registry if at_home else authority(url)
        trust = self.host.trust if at_home else self._trust_elsewhere(url)
        if at_home:
            headers = dict(self.host.headers) | dict(headers)
        return await self._transport.send(method, str(url), headers, body, place=place, verify=verify, trust=trust)

    async def get_elsewhere(self, url: Url, offset: int = 0) -> Answer:
        """Send a GET to where somebody else says, for what is there from `offset` on, without credentials.

        The caller closes the answer.

        Raises:
            Unreachable: no answer came.
        """
        verify, trust = self._policy.verifies(url), self._trust_elsewhere(url)
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        return await self._transport.send(
            "GET", str(url), headers, None, place=authority(url), verify=verify, trust=trust
        )

    def _trust_elsewhere(self, url: Url) -> Trust:
        """Storage and token servers often stand behind the authority of their registry; our own certificate is for it alone."""
        return self._hosts.trust(authority(url)) | self.host.trust.without_identity

    def _redirected(self, request: Request, url: Url, answer: Answer) -> tuple[Request, Url]:
        exchange = exchange_of(request.method, str(url))
        location = answer.header("Location")
        try:
            target = url.join(location) if location else None
        except ValueError:
            target = None
        if target is None or target.scheme not in {"http", "https"}:
            raise UnexpectedResponse(
                f"{request.place}: a redirect to {location or 'nowhere'}", request=exchange, status=answer.status
            )
        if url.scheme == "https" and target.scheme == "http" and not self._may_step_down(target):
            raise UnexpectedResponse(
                f"{request.place}: a redirect from HTTPS to plain HTTP at {authority(target)}, which is not followed",
                request=exchange,
                status=answer.status,
                hint="if you trust the network in between, use --insecure",
            )
        if answer.status == _SEE_OTHER:
            return replace(request, method="HEAD" if request.method == "HEAD" else "GET", body=None), target
        if not request.can_repeat:
            raise UnexpectedResponse(
                f"{request.place}: a redirect in the middle of an upload", request=exchange, status=answer.status
            )
        return request, target

    def _may_step_down(self, target: Url) -> bool:
        return self._policy.covers(self.registry) or self._policy.allows_plain(target)

    async def _refusal(self, request: Request, url: Url, answer: Answer) -> RegistryError:
        error = await refusal(answer, exchange_of(request.method, str(url)), request.place, missing=request.missing)
        if isinstance(error, Unauthorized):
            error.message = f"{request.place}: not authorised{_said(error.words)} (asked {await self._authoriser.who(request.scopes)})"
            error.hint = error.hint or self._login_hint(
                known=await self._authoriser.credential(request.scopes) is not None
            )
        elif isinstance(error, NotFound):
            error.is_doubtful = request.method == "HEAD" and not _is_registrys(answer)
        elif isinstance(error, Denied):
            error.message += f" (asked {await self._authoriser.who(request.scopes)})"
        return error

    def _login_hint(self, *, known: bool) -> str:
        login = f"`wherry login {self.registry}`"
        return (
            f"check the name, and what that user may do; {login} changes the user"
            if known
            else (f"check the name (many registries answer so for one that does not exist), or log in with {login}")
        )

    async def _ask_token_server(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Told:
        trying: Trying | None = None
        while True:
            try:
                return await self._told(method, url, headers, body)
            except (RegistryError, Unreachable) as error:
                if not is_worth_another_try(error, known=True):
                    raise
                trying = trying or self.trying()
                await trying.after(error)

    async def _told(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Told:
        answer = await self._send(method, Url(url), headers, body or None)
        try:
            if answer.status in _TROUBLE or answer.status >= _SERVER_ERROR:
                raise await refusal(answer, exchange_of(method, url), f"{self.registry}: its token server")
            content = await answer.body(_LARGEST_TOKEN) or b""
            errors = read_errors(content)
            return Told(exchange_of(method, url), answer.status, content, words_of(errors[0] if errors else None)[0])
        finally:
            await answer.close()


def exchange_of(method: str, url: str) -> Exchange:
    """What to say about a request in an error: of its query only what is no secret."""
    parsed = Url(url)
    kept = [
        (name, value) for name, value in parsed.query_pairs if name in {"n", "last", "digest", "tag", "mount", "from"}
    ]
    bare = parsed.with_query(kept or None).with_fragment(None)
    if bare.username or bare.password:
        bare = bare.with_username("").with_password(None)
    return Exchange(method, str(bare))


def _is_registrys(answer: Answer) -> bool:
    """Whether an answer without a body comes from a registry that understood the question."""
    content_type = answer.header("Content-Type") or ""
    return answer.header("Docker-Distribution-Api-Version") is not None or "json" in content_type.lower()


def _placed(message: str, registry: str, place: str) -> str:
    """Words about a registry as words about what was asked of it."""
    if place in message:
        return message
    return place + message.removeprefix(registry) if message.startswith(f"{registry}: ") else f"{place}: {message}"


def _said(words: str | None) -> str:
    return f": {words}" if words else ""
