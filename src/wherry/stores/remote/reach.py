"""How a registry may be spoken to: which schemes, whether certificates are checked, which host its name stands for.

- Everybody: HTTPS, with a certificate that is trusted. Nothing else, and never a silent step down.
- What `insecure` covers: HTTPS without that check first, then plain HTTP.
- Loopback hosts (`localhost`, 127.0.0.0/8, `[::1]`): nobody stands in between, so they need no flag: plain HTTP first,
  which nearly all speak, then HTTPS without the check. With `loopback="tls"` (docker's rule when it reads) they get
  HTTPS without the check, and plain HTTP only if `insecure` covers them.
"""

import re
from collections.abc import Collection
from typing import Literal

from msgspec import Struct
from pyreqwest.http import Url

from wherry.oci.reference import DOCKER_HUB

__all__ = ["Loopback", "Policy", "Way", "api_host", "authority", "is_loopback", "resolved", "same_host"]

Loopback = Literal["plain", "tls"]

_HUB_API = "registry-1.docker.io"
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?", re.IGNORECASE)


class Way(Struct, frozen=True):
    """One way to reach a registry: `origin` is `scheme://host[:port]`."""

    origin: str
    verify: bool

    @property
    def is_plain(self) -> bool:
        return self.origin.startswith("http:")


class Policy(Struct, frozen=True):
    """What the user allows. `insecure` covers all registries, or those whose `host[:port]` it lists."""

    insecure: bool | Collection[str] = False
    loopback: Loopback = "plain"

    def covers(self, host: str) -> bool:
        """Whether `insecure` covers a registry."""
        return self.insecure if isinstance(self.insecure, bool) else host in self.insecure

    def ways(
        self, host: str, *, scheme: Literal["http", "https"] | None = None, insecure: bool = False, known: bool = False
    ) -> tuple[Way, ...]:
        """The ways to try, in order; there is at least one.

        Args:
            scheme: the only one that a file allows, if one says so.
            insecure: a file says that `insecure` covers the host.
            known: a file says whose certificates count: then they are checked, also on loopback.
        """
        api = api_host(host)
        plain, unverified = Way(f"http://{api}", verify=True), Way(f"https://{api}", verify=False)
        verified = Way(f"https://{api}", verify=True)
        insecure = insecure or self.covers(host)
        if scheme is not None:
            return (plain,) if scheme == "http" else (unverified if insecure else verified,)
        if known and not insecure:
            return (verified,)
        if is_loopback(host) and not known and (self.loopback == "plain" or insecure):
            return (plain, unverified)
        if insecure:
            return (unverified, plain)
        return (unverified if is_loopback(host) else verified,)

    def verifies(self, url: Url) -> bool:
        """Whether the certificate behind a URL that a registry sent us to must be trusted."""
        host = authority(url)
        return not (self.covers(host) or is_loopback(host))

    def allows_plain(self, url: Url) -> bool:
        """Whether plain HTTP may be spoken to where a registry sent us."""
        host = authority(url)
        return self.covers(host) or (is_loopback(host) and self.loopback == "plain")


def api_host(host: str) -> str:
    """The host that serves the API of the registry that people call `host`."""
    return _HUB_API if host == DOCKER_HUB else host


def is_loopback(host: str) -> bool:
    """Whether `host[:port]` is this machine, by its name alone: nothing is resolved."""
    return _LOOPBACK.fullmatch(host) is not None


def authority(url: Url) -> str:
    """`host[:port]` of a URL."""
    return (url.host_str or "") + ("" if url.port is None else f":{url.port}")


def same_host(one: Url, other: Url) -> bool:
    """Whether credentials for `one` may go to `other`: the same host and port, or its step from HTTP up to HTTPS."""
    if one.host_str != other.host_str:
        return False
    if one.scheme == "http" and other.scheme == "https":
        return one.port == other.port  # neither has one: 80 and 443
    return one.scheme == other.scheme and one.port_or_known_default == other.port_or_known_default


def resolved(base: str, location: str) -> Url:
    """Where a `Location` or `Link` leads, relative or absolute.

    A registry behind a proxy that ends TLS, or that maps ports, often writes its own inner scheme, or leaves the port
    out. The host being the same, the way that brought us there is the way to go on.

    Raises:
        ValueError: it is no URL, or none that a registry can be at.
    """
    asked = Url(base)
    url = asked.join(location)
    if url.scheme not in {"http", "https"}:
        raise ValueError(f"{url.scheme}: is not spoken here")
    if url.host_str == asked.host_str and (
        (asked.scheme == "https" and url.scheme == "http") or (asked.port is not None and url.port is None)
    ):
        return url.with_scheme(asked.scheme).with_port(asked.port)
    return url
