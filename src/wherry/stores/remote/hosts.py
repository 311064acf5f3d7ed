"""Where a registry is really spoken to: its own host, or one that stands for it, and the mirrors that are asked before it.

Three kinds of files say so, all written by other tools' users, and read here as those tools read them:

- `certs.d/HOST[:PORT]/` of docker and podman: authorities and client certificates (`hosts_folders`);
- containerd's `hosts.toml` in the same kind of folder: another server, mirrors, their certificates (`hosts_folders`);
- containers' `registries.conf`: other locations, mirrors, what is insecure, what is blocked (`hosts_registries`).

A mirror is asked for manifests and blobs that are read, and for nothing else; what it gives is verified as everything is.
Only front ends know where the files are.
"""

from typing import Literal, Protocol

from msgspec import Struct

from wherry.stores.remote.reach import api_host
from wherry.stores.remote.trust import SYSTEM, Trust

__all__ = ["API", "Endpoint", "Host", "Hosts", "Names", "NoHosts", "Route", "plain_route"]

API = "/v2"
Names = Literal["all", "digest-only", "tag-only"]
_KINDS = ("manifests/", "blobs/", "tags/", "referrers/")


class Host(Struct, frozen=True):
    """A host that serves the API. `name` is `host[:port]`, by which its credentials are found.

    Args:
        scheme: the one that it is spoken to in; None leaves that to the client's policy.
        api: the path under which the API is.
        insecure: its certificate need not be trusted; with no scheme, plain HTTP is good enough too.
        headers: sent with every request to it.
    """

    name: str
    scheme: Literal["http", "https"] | None = None
    api: str = API
    insecure: bool = False
    trust: Trust = SYSTEM
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:  # headers may be secrets
        return f"Host({f'{self.scheme}://' if self.scheme else ''}{self.name}{self.api})"

    @property
    def address(self) -> str:
        """The `host[:port]` to connect to."""
        return api_host(self.name)


class Endpoint(Struct, frozen=True):
    """A host as it stands for one repository of a registry.

    Args:
        repository: the repository's name there; None keeps it.
        namespace: the registry that it stands for, told as `ns=` (containerd's convention); empty: not told.
        names: what it may be asked for.
        resolves: whether it may be asked what a tag leads to.
        source: the file that says so; empty for the registry itself.
    """

    host: Host
    repository: str | None = None
    namespace: str = ""
    names: Names = "all"
    resolves: bool = True
    source: str = ""

    def target(self, repository: str, target: str) -> str:
        """A path of the API of `repository`, as this host has it; anything else as it is."""
        prefix = f"{API}/{repository}/"
        rest = target.removeprefix(prefix)
        if rest == target or not rest.startswith(_KINDS):
            return target
        query = f"{'&' if '?' in target else '?'}ns={self.namespace}" if self.namespace else ""
        return f"{self.host.api}/{self.repository or repository}/{rest}{query}"

    def serves(self, name: str) -> bool:
        """Whether it may be asked for a manifest or blob of that name, a tag or a digest."""
        is_digest = ":" in name
        return self.names != ("tag-only" if is_digest else "digest-only") and (is_digest or self.resolves)

    def __str__(self) -> str:
        return f"{self.host.name}{self.host.api.removesuffix(API)}" + (f"/{self.repository}" if self.repository else "")


class Route(Struct, frozen=True):
    """The mirrors that are asked for what is read, in order, and the endpoint that is asked last and for all the rest."""

    home: Endpoint
    mirrors: tuple[Endpoint, ...] = ()


class Hosts(Protocol):
    """Where a client finds the routes."""

    def route(self, registry: str, repository: str = "") -> Route:
        """The route to a repository, or to the registry itself.

        Raises:
            RouteError: a file that says so cannot be used, or blocks it.
        """

    def trust(self, host: str) -> Trust:
        """Whose certificates count for `host[:port]`, to which a registry sent us.

        Raises:
            RouteError: a file that says so cannot be used.
        """


class NoHosts:
    """No files: every registry is its own host."""

    def route(self, registry: str, repository: str = "") -> Route:  # noqa: ARG002  # the protocol's
        return plain_route(registry)

    def trust(self, host: str) -> Trust:  # noqa: ARG002  # the protocol's
        return SYSTEM


def plain_route(registry: str) -> Route:
    """The registry itself."""
    return Route(Endpoint(Host(registry)))
