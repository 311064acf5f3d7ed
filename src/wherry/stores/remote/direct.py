"""A session with one registry: every request of ours to its host goes through here, and comes back answered or refused.

In order: which way to reach it (found out once), the `Authorization` that it is known to want, the request, its redirects
(credentials stay with their host), and after a 401 one more try with fresh authorisation. Whatever the caller did not
expect is raised as the error that it means; what may go well the next time is first tried again (`retrying`), and nothing is
sent faster than the registry asks for (`pace`).

Copies of small images are made of thousands of such requests, so what all have in common is worked out once, when the
registry has first answered; and what few need (waiting, redirects, refusals, another try) stands beside the way that most go.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from wherry.oci.errors import (
    RegistryError,
    TimedOut,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
    Unreachable,
    WherryError,
)
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.arrival import arrive
from wherry.stores.remote.authorisation import Authoriser
from wherry.stores.remote.credentials import Credential, Credentials
from wherry.stores.remote.denials import denial
from wherry.stores.remote.failures import ClosedEarly, placed
from wherry.stores.remote.hosts import Host, Hosts, NoHosts
from wherry.stores.remote.learnt import Learnt
from wherry.stores.remote.outgoing import Outgoing
from wherry.stores.remote.pace import Pace
from wherry.stores.remote.reach import Policy, Way, is_loopback
from wherry.stores.remote.redirects import MOST_REDIRECTS, REDIRECTS, redirected
from wherry.stores.remote.refusals import LARGEST_ERROR, is_page, page
from wherry.stores.remote.retrying import WALL_CLOCK, Clock, Patience, Trying, is_worth_another_try
from wherry.stores.remote.scopes import NOTHING, Scopes
from wherry.stores.remote.session import Greeting, LoggedIn, Request, exchange_of
from wherry.stores.remote.token_server import TokenServer
from wherry.stores.remote.transport import Transport

if TYPE_CHECKING:
    from wherry.stores.remote.conduit import End

__all__ = ["Direct"]

_UNAUTHORIZED, _GONE = 401, 404

Result = TypeVar("Result")


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
        self.learnt = Learnt()
        self.is_crooked = False
        """Whether threads have been refused what the ordinary way may get: then they do not ask again (`conduit`)."""
        self._transport = transport
        self._policy = policy
        self._patience = patience or Patience()
        self._clock = clock
        self.pace = Pace(self._patience, clock)
        self.outgoing = Outgoing(registry, self.host, hosts or NoHosts(), policy, transport)
        tokens = TokenServer(registry, self.outgoing, self.trying)
        self._authoriser = Authoriser(registry, credentials, policy, tokens.ask)
        self._arriving = asyncio.Lock()

    @property
    def direct(self) -> "Direct":
        return self

    @property
    def renames(self) -> bool:
        return False

    def open(self, request: Request) -> "_Opened":
        """Send a request and give the answer, which has one of the expected statuses.

        Raises:
            RegistryError: the registry refuses, or answers what no registry should.
            Unreachable: no answer came.
        """
        return _Opened(self, request)

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

    async def end(self, request: Request) -> "End | None":
        """The request for a thread that makes it over a connection of its own; None if it is not as simple as that."""
        if self.is_crooked or not self.pace.is_free:
            return None
        try:
            await self._arrived()
            url, _ = self.outgoing.located(request.target)
            header = await self._authoriser.header(request.scopes)
            headers = request.headers if header is None else {**request.headers, "Authorization": header}
            return self.outgoing.end(request.method, url, headers)
        except (WherryError, ValueError):
            return None  # which is explained when it is sent

    def trying(self) -> Trying:
        """What is left after a failure of work that takes several requests."""
        return Trying(self._patience, self._clock)

    def is_worth_another_try(self, error: WherryError) -> bool:
        """Whether what failed may go well the next time."""
        return is_worth_another_try(error, known=self.outgoing.way is not None)

    async def opened(self, request: Request) -> Answer:
        """As `open`, for who closes the answer."""
        return await self._persistently(request, self._answer)

    async def _persistently(self, request: Request, attempt: Callable[[Request], Awaitable[Result]]) -> Result:
        """Try a request until it is answered as expected, or there is no sense in it."""
        trying: Trying | None = None
        while True:
            if not self.pace.is_free:
                await self.pace.turn(request.method, request.target)
            if request.body is not None:
                await self.outgoing.turn(request.body)
            try:
                return await attempt(request)
            except (RegistryError, Unreachable) as error:
                self.pace.hold(error)
                if isinstance(error, Unreachable) and self.outgoing.way is not None:
                    error.message = placed(error.message, self.registry, request.place)
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
        answer = await self.outgoing.send("GET", f"{way.origin}{self.host.api}/", {}, None, at_home=True)
        try:
            body = await answer.body(LARGEST_ERROR) or b""
            version, server = (answer.header(each) or "" for each in ("Docker-Distribution-Api-Version", "Server"))
            self._authoriser.learn(answer.challenges)
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
        kept = (
            dataclasses.replace(credential, password="", identity_token=identity_token)
            if identity_token
            else credential
        )
        return LoggedIn(kept, was_checked=self._authoriser.challenge is not None)

    async def _answer(self, request: Request) -> Answer:
        """Send a request, and what its answers lead to, until one of them is expected."""
        if self.outgoing.way is None:
            await self._arrived()
        try:
            url, at_home = self.outgoing.located(request.target)
        except ValueError as error:
            raise UnexpectedResponse(
                f"{request.place}: the registry leads to {request.target!r}, which is no URL: {error}"
            ) from error
        header = await self._authoriser.header(request.scopes)
        tried_again = False
        for _ in range(MOST_REDIRECTS + 2):
            sent = header if at_home else None
            answer = await self._sent(request, url, sent, at_home=at_home)
            self.pace.learn(request.target, answer)
            if answer.status in request.expected:
                return answer
            try:
                if answer.status in REDIRECTS:
                    request, target = redirected(request, answer, self._policy, self.registry)
                    url, at_home = str(target), self.outgoing.is_home(target)
                elif answer.status == _UNAUTHORIZED and not tried_again and request.can_repeat and at_home:
                    challenges = answer.challenges
                    header = await self._authoriser.after_refusal(challenges, request.scopes, sent)
                    tried_again = True
                    if header is None:
                        raise await denial(request, answer, self._authoriser, self.registry, at_home=at_home)
                else:
                    raise await denial(request, answer, self._authoriser, self.registry, at_home=at_home)
            finally:
                await answer.close()
        raise UnexpectedResponse(
            f"{request.place}: more than {MOST_REDIRECTS} redirects",
            request=exchange_of(request.method, answer.url),
            status=answer.status,
        )

    async def _arrived(self) -> Way:
        async with self._arriving:
            if self.outgoing.way is None:
                way, challenges = await arrive(self.registry, self._transport, self._policy, self.host)
                self.outgoing.arrived(way)
                self._authoriser.learn(challenges)
                is_open = way.is_plain or not way.verify
                self._authoriser.is_exposed = is_open and not is_loopback(self.host.name)
            assert self.outgoing.way is not None  # noqa: S101  # it has just been said
            return self.outgoing.way

    async def _sent(self, request: Request, url: str, authorization: str | None, *, at_home: bool) -> Answer:
        headers: Mapping[str, str] = request.headers
        if authorization is not None:
            headers = {**headers, "Authorization": authorization}
        try:
            return await self.outgoing.send(request.method, url, headers, request.body, at_home=at_home)
        except ClosedEarly:
            # A connection that was kept open may have been closed by the other side just before it was used again.
            if request.is_streamed or not request.patient:
                raise
            return await self.outgoing.send(request.method, url, headers, request.body, at_home=at_home)


class _Opened:
    """An answer that is open as long as the context lasts."""

    __slots__ = ("_answer", "_request", "_session")

    def __init__(self, session: Direct, request: Request) -> None:
        self._session = session
        self._request = request

    async def __aenter__(self) -> Answer:
        self._answer = await self._session.opened(self._request)
        return self._answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._answer.close()
