"""What is asked of a registry, and of whom: every request of ours goes through a session, and comes back answered or refused.

`direct` sends to one host; `routed` asks a registry's mirrors before it.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from pyreqwest.http import Url

from wherry.oci.errors import Exchange, WherryError
from wherry.oci.wire.challenge import Challenge
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.credentials import Credential
from wherry.stores.remote.learnt import Learnt
from wherry.stores.remote.line import Body
from wherry.stores.remote.reach import Way
from wherry.stores.remote.refusals import LARGEST_ERROR, Missing
from wherry.stores.remote.scopes import NOTHING, Scopes

if TYPE_CHECKING:
    from wherry.stores.remote.direct import Direct

__all__ = ["Greeting", "LoggedIn", "Request", "Session", "exchange_of"]


class Request(Struct, frozen=True):
    """`target` is a path of the API or an absolute URL that the registry gave us; `place` is what it is about.

    `expected` are the statuses that the caller deals with; `missing` is what a 404 means if its body does not say.
    `patient` is whether it is tried again when it fails; a streamed body never is, its sender knows better how to go on.
    """

    method: str
    target: str
    place: str
    scopes: Scopes = NOTHING
    headers: Mapping[str, str] = {}
    body: bytes | Body | None = None
    expected: tuple[int, ...] = (200,)
    missing: Missing | None = None
    patient: bool = True

    @property
    def is_streamed(self) -> bool:
        return not (self.body is None or isinstance(self.body, bytes))

    @property
    def can_repeat(self) -> bool:
        """Whether the body can be sent once more."""
        return not self.is_streamed or getattr(self.body, "can_repeat", False)


class LoggedIn(Struct, frozen=True):
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
