"""Routes from the files that docker, containerd and containers (podman, skopeo) have on this machine."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace

from wherry.stores.remote.hosts import Endpoint, Route, plain_route
from wherry.stores.remote.hosts_folders import folder_route, folder_trust
from wherry.stores.remote.hosts_registries import Registries
from wherry.stores.remote.trust import Trust

__all__ = ["HostFiles"]


class HostFiles:
    """Files are read when they are first needed; none of them need exist.

    A repository's table in `registries.conf` counts before a `hosts.toml` of its registry. Certificates are those of each host's own
    folder, whoever leads there.

    Args:
        folders: `certs.d` folders; the first that has something for a host counts.
        registries: `registries.conf` and its drop-ins; later ones replace earlier ones.
    """

    def __init__(self, *, folders: Sequence[Path] = (), registries: Sequence[Path] = ()) -> None:
        self._folders = folders
        self._files = registries
        self._by_folder: dict[str, Route | None] = {}
        self._trusts: dict[str, Trust] = {}

    def route(self, registry: str, repository: str = "") -> Route:
        """The route to a repository, or to the registry itself.

        Raises:
            RouteError: a file cannot be used, or blocks it.
        """
        route = self._registries.route(registry, repository) or self._folder_route(registry) or plain_route(registry)
        return Route(self._trusting(route.home), tuple(map(self._trusting, route.mirrors)))

    def trust(self, host: str) -> Trust:
        """The certificates that count for a host.

        Raises:
            RouteError: a file cannot be used.
        """
        if host not in self._trusts:
            self._trusts[host] = folder_trust(self._folders, host)
        return self._trusts[host]

    @cached_property
    def _registries(self) -> Registries:
        return Registries(self._files)

    def _folder_route(self, registry: str) -> Route | None:
        if registry not in self._by_folder:
            self._by_folder[registry] = folder_route(self._folders, registry)
        return self._by_folder[registry]

    def _trusting(self, endpoint: Endpoint) -> Endpoint:
        host = endpoint.host
        return replace(endpoint, host=replace(host, trust=host.trust | self.trust(host.name)))
