"""Proxies: which one a URL is reached through, as Go's programs (docker, podman, crane) read the environment.

`HTTPS_PROXY` is for https URLs and `HTTP_PROXY` for http ones; `NO_PROXY` lists, separated by commas, who is reached
directly: `*` (everybody), `example.com` (it and what is below it), `.example.com` (only what is below it), an IP address, a range
(`10.0.0.0/8`; it fits addresses as they are written, nothing is resolved), each but the last with a port if only that port is
meant. Loopback hosts are always reached directly. `ALL_PROXY` is for what has no proxy of its own, as with curl. A proxy speaks HTTP or SOCKS 5;
the latter finds out for itself where a name leads, also without the `h` of `socks5h`.
"""

import re
from collections.abc import Mapping

from msgspec import Struct
from pyreqwest.http import Url

from wherry.oci.errors import RouteError
from wherry.stores.remote.reach import authority, is_loopback

__all__ = ["NO_PROXIES", "Proxies"]


class Proxies(Struct, frozen=True):
    """`https` and `http` are the proxies' URLs, which may hold a name and a password; empty is: none, or `rest`."""

    https: str = ""
    http: str = ""
    without: tuple[str, ...] = ()
    rest: str = ""

    def __repr__(self) -> str:  # the URLs may hold passwords
        return f"Proxies(without={self.without})"

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Proxies":
        """What the environment says. Capital letters count before small ones."""

        def told(name: str) -> str:
            return environment.get(name) or environment.get(name.lower()) or ""

        without = told("NO_PROXY").replace(",", " ").split()
        http = "" if "REQUEST_METHOD" in environment else told("HTTP_PROXY")  # CGI: the caller's header, not a setting
        return cls(told("HTTPS_PROXY"), http, tuple(each.lower() for each in without), told("ALL_PROXY"))

    def is_set(self, scheme: str) -> bool:
        """Whether there is a proxy for any URL of a scheme."""
        return bool(self._told(scheme)[1])

    def _told(self, scheme: str) -> tuple[str, str]:
        name, text = ("HTTPS_PROXY", self.https) if scheme == "https" else ("HTTP_PROXY", self.http)
        return (name, text) if text else ("ALL_PROXY", self.rest)

    def for_url(self, url: Url) -> Url | None:
        """The proxy for a URL; None reaches it directly.

        Raises:
            RouteError: what is set is no proxy's URL.
        """
        name, text = self._told(url.scheme)
        if not text or is_loopback(authority(url)) or self._is_direct(url):
            return None
        try:
            proxy = Url(re.sub("^socks5(?=:)", "socks5h", text) if "://" in text else f"http://{text}")
        except ValueError:
            proxy = None
        if proxy is None or proxy.scheme not in {"http", "https", "socks5h"} or not proxy.host_str:
            raise RouteError(
                f"{name} is not the URL of an HTTP or SOCKS 5 proxy", hint=f"{name}=http://host:port, or take it away"
            )
        return proxy

    def _is_direct(self, url: Url) -> bool:
        host, port = (url.host_str or "").strip("[]").rstrip(".").lower(), url.port_or_known_default
        return any(_fits(each, host, port) for each in self.without)


def _fits(pattern: str, host: str, port: int | None) -> bool:
    if pattern == "*":
        return True
    if "/" in pattern:
        return _is_in(host, pattern)
    name, colon, wanted = pattern.rpartition(":")
    if colon and wanted.isdecimal() and (name.endswith("]") or ":" not in name):
        if int(wanted) != port:
            return False
        pattern = name
    pattern = pattern.strip("[]").rstrip(".").removeprefix("*")
    if pattern.startswith("."):
        return host.endswith(pattern)
    return bool(pattern) and (host == pattern or (host.endswith(f".{pattern}") and not _is_address(host)))


def _is_in(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network  # noqa: PLC0415  # few have ranges, and every command would pay

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    return host.replace(".", "").isdecimal() or ":" in host


NO_PROXIES = Proxies()
