"""What goes along with a request, by where it goes: to the registry's own host, or to others that it sends us to.

Its host gets the headers and the certificate that its files name for it. Others get none of that, and are trusted by
their own names.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyreqwest.http import Url

from wherry._version import __version__
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.hosts import Host, Hosts
from wherry.stores.remote.line import Body, Line
from wherry.stores.remote.reach import Policy, Way, authority, resolved, same_host
from wherry.stores.remote.transport import Transport
from wherry.stores.remote.trust import Trust

if TYPE_CHECKING:
    from wherry.stores.remote.conduit import End

__all__ = ["Outgoing"]


class Outgoing:
    """Sends single requests for the registry that people call `registry`; `way` is how its host was reached, once it was."""

    def __init__(self, registry: str, host: Host, hosts: Hosts, policy: Policy, transport: Transport) -> None:
        self.way: Way | None = None
        self._registry = registry
        self._host = host
        self._headers = dict(host.headers)
        self._hosts = hosts
        self._policy = policy
        self._transport = transport
        self._home: Url | None = None
        self._line: Line | None = None
        self._origin = ""

    def arrived(self, way: Way) -> None:
        """The registry's host answers there."""
        self._home = Url(way.origin)
        self._line = self._transport.line(self._home, place=self._registry, verify=way.verify, trust=self._host.trust)
        self._origin = way.origin
        self.way = way

    def located(self, target: str) -> tuple[str, bool]:
        """The URL that a path, or a URL from the registry, leads to; and whether that is at its own host.

        Raises:
            ValueError: it leads nowhere.
        """
        if target.startswith("/") and target[1:2] not in {"/", "\\"}:
            return self._origin + target, True
        url = resolved(self._origin, target)
        return str(url), self.is_home(url)

    def is_home(self, url: Url) -> bool:
        """Whether a URL is at the registry's own host, so that credentials may go there."""
        return self._home is not None and same_host(self._home, url)

    async def turn(self, body: bytes | Body) -> None:
        """Wait until the bytes of a body may be sent; one that is streamed waits piece by piece, as it goes."""
        if self._transport.limits.sent is not None and isinstance(body, bytes):
            await self._transport.limits.sent.take(len(body))

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Body | None, *, at_home: bool
    ) -> Answer:
        """Send one request; the caller closes the answer.

        Raises:
            Unreachable: no answer came.
        """
        if at_home and self._headers:
            headers = self._headers | dict(headers)
        if at_home and self._line is not None and url.startswith(self._origin):
            return await self._line.send(method, url, headers, body)
        return await self._line_to(Url(url), at_home=at_home).send(method, url, headers, body)

    def end(self, method: str, url: str, headers: Mapping[str, str]) -> "End | None":
        """The same request for a thread: if it goes over a plain connection to the registry's own host, which nobody stands before."""
        from wherry.stores.remote.conduit import End  # noqa: PLC0415  # only with what is large

        parsed, limits = Url(url), self._transport.limits
        host = (parsed.host_str or "").strip("[]")
        is_limited = limits.read is not None or limits.sent is not None
        if parsed.scheme != "http" or not self.is_home(parsed) or is_limited or self._transport.has_proxy(parsed):
            return None
        query = "" if parsed.query_string is None else f"?{parsed.query_string}"
        return End(
            method,
            host,
            parsed.port_or_known_default or 80,
            f"{parsed.path}{query}",
            {"User-Agent": f"wherry/{__version__}"} | self._headers | dict(headers),
            limits.connecting,
            limits.silence,
        )

    def _line_to(self, url: Url, *, at_home: bool) -> Line:
        """To another host, or to the registry's own by another scheme than it was reached by."""
        verify = self.way.verify if self.way is not None and at_home else self._policy.verifies(url)
        place = self._registry if at_home else authority(url)
        # Storage and token servers often stand behind the authority of their registry; our own certificate is for it alone.
        trust = self._host.trust if at_home else self._trust_elsewhere(url)
        return self._transport.line(url, place=place, verify=verify, trust=trust)

    def _trust_elsewhere(self, url: Url) -> Trust:
        return self._hosts.trust(authority(url)) | self._host.trust.without_identity
