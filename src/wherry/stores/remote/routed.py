"""A repository by way of its mirrors: what is read is asked of them first, in order, and of the registry last.

Only manifests and blobs are asked of mirrors, with GET and HEAD, and only by who says that it reads and does not write: whether a
*destination* has a blob must be asked of the registry itself. A mirror that lacks something is passed over for that; one that
fails is told to whoever wants to know, and not asked again. What a mirror sends is verified by the same code as what the
registry sends; where it is not what was asked for, the mirror has failed too, and the next try asks elsewhere.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec.structs import replace

from wherry.oci.digest import Digest
from wherry.oci.errors import (
    ContentMismatch,
    CredentialsError,
    Denied,
    DigestMismatch,
    NotFound,
    RegistryError,
    RouteError,
    Unauthorized,
    Unreachable,
    WherryError,
)
from wherry.oci.mediatype import DOCKER_SCHEMA1_SIGNED, without_parameters
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.direct import Direct
from wherry.stores.remote.hosts import API, Endpoint, Host
from wherry.stores.remote.learnt import Learnt
from wherry.stores.remote.refusals import LARGEST_ERROR, NO_HEAD, is_page, page
from wherry.stores.remote.scopes import Scopes
from wherry.stores.remote.session import Request, exchange_of

__all__ = ["Mirror", "Notify", "Routed", "at"]

_FAILURES = (RegistryError, Unreachable, CredentialsError, RouteError, DigestMismatch)

Notify = Callable[[str], None]
"""Is told, in a line for people, what went wrong without standing in the way."""


class Mirror:
    """A mirror's session, and what it stands for. `failures` is shared by all of a client's mirrors."""

    def __init__(self, endpoint: Endpoint, session: Direct, failures: dict[Endpoint | Host, WherryError]) -> None:
        self.endpoint = endpoint
        self.session = session
        self._failures = failures

    @property
    def has_failed(self) -> bool:
        return self.endpoint in self._failures or self.endpoint.host in self._failures

    def fail(self, error: WherryError) -> None:
        """Do not ask it again: for this repository if it says that we may not, else for anything."""
        is_about_us = isinstance(error, Unauthorized | Denied)
        self._failures[self.endpoint if is_about_us else self.endpoint.host] = error


class Routed:
    """Sends a repository's requests along its route."""

    def __init__(
        self, repository: str, home: Endpoint, session: Direct, mirrors: Sequence[Mirror], notify: Notify | None
    ) -> None:
        self.direct = session
        self._repository = repository
        self._home = home
        self._mirrors = mirrors
        self._notify = notify
        self._served: dict[str, Mirror] = {}

    @property
    def registry(self) -> str:
        return self.direct.registry

    @property
    def learnt(self) -> Learnt:
        return self.direct.learnt

    @property
    def renames(self) -> bool:
        return self._home.repository is not None

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Answer]:
        """Send a request and give the answer, which has one of the expected statuses.

        Raises:
            RegistryError, Unreachable: what the registry itself answers, if no mirror has what is asked for.
        """
        async with AsyncExitStack() as stack:
            for mirror in self._asked(request):
                answer = await self._opened(mirror, request, stack)
                if answer is not None:
                    self._served[request.target] = mirror
                    try:
                        yield answer
                    except (Unreachable, ContentMismatch) as error:
                        self._failed(mirror, error)
                        raise
                    return
            yield await stack.enter_async_context(self.direct.open(at(self._home, self._repository, request)))

    def mistrust(self, request: Request, error: WherryError) -> None:
        """What came for a request turned out to be wrong when all of it was there: its mirror has failed."""
        mirror = self._served.pop(request.target, None)
        if mirror is not None:
            self._failed(mirror, error)

    async def ask(self, request: Request, *, limit: int = LARGEST_ERROR) -> tuple[Answer, bytes]:
        """Send a request and read the whole answer, which must not be longer than `limit` bytes.

        Raises:
            RegistryError, Unreachable: as `open`.
        """
        for mirror in self._asked(request):
            try:
                answer, body = await mirror.session.ask(
                    _once(at(mirror.endpoint, self._repository, request)), limit=limit
                )
                _check(mirror, request, answer, body)
            except NotFound:
                continue
            except _FAILURES as error:
                self._failed(mirror, error)
            else:
                return answer, body
        return await self.direct.ask(at(self._home, self._repository, request), limit=limit)

    def _asked(self, request: Request) -> Iterator[Mirror]:
        """The mirrors to ask."""
        kind, _, name = request.target.removeprefix(f"{API}/{self._repository}/").partition("/")
        if request.method not in {"GET", "HEAD"} or kind not in {"manifests", "blobs"}:
            return
        for mirror in self._mirrors:
            if not mirror.has_failed and mirror.endpoint.serves(name):
                yield mirror

    async def _opened(self, mirror: Mirror, request: Request, stack: AsyncExitStack) -> Answer | None:
        try:
            return await stack.enter_async_context(
                mirror.session.open(_once(at(mirror.endpoint, self._repository, request)))
            )
        except NotFound:
            return None
        except _FAILURES as error:
            if request.method != "HEAD" or not isinstance(error, RegistryError) or error.status not in NO_HEAD:
                self._failed(mirror, error)
            return None

    def _failed(self, mirror: Mirror, error: WherryError) -> None:
        if not mirror.has_failed:
            mirror.fail(error)
            if self._notify is not None:
                self._notify(f"mirror {mirror.endpoint}, of {mirror.endpoint.source}, is passed over: {error}")


def _once(request: Request) -> Request:
    """The request as a mirror has it: when it fails, there is somebody else to ask."""
    return replace(request, patient=False)


def _check(mirror: Mirror, request: Request, answer: Answer, body: bytes) -> None:
    """See that a manifest of a mirror's is what was asked for, while others can still be asked.

    Raises:
        UnexpectedResponse: it is a web page.
        DigestMismatch: it has another digest.
    """
    if is_page(answer, body):
        raise page(answer, exchange_of(request.method, answer.url), str(mirror.endpoint))
    name = request.target.rpartition("/")[2]
    is_signed = (
        without_parameters(answer.header("Content-Type") or "") == DOCKER_SCHEMA1_SIGNED
    )  # its digest is another
    if request.method == "GET" and ":" in name and not is_signed:
        wanted = Digest.parse(name)
        found = Digest.of(body, algorithm=wanted.algorithm)
        if found != wanted:
            raise DigestMismatch(f"{request.place}: it sent bytes of digest {found}")


def at(endpoint: Endpoint, repository: str, request: Request) -> Request:
    """The request as an endpoint has it: its path, and the scopes that it needs there."""
    target, scopes = endpoint.target(repository, request.target), request.scopes
    if endpoint.repository is not None:
        ours, theirs = f"repository:{repository}", f"repository:{endpoint.repository}"
        scopes = Scopes(frozenset((theirs if name == ours else name, action) for name, action in scopes.grants))
    return (
        request
        if target == request.target and scopes == request.scopes
        else replace(request, target=target, scopes=scopes)
    )
