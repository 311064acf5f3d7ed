"""Routes from the files that docker, containerd and containers (podman, skopeo) have on this machine."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.stores.remote.hosts import Endpoint, Route, plain_route
from wherry.stores.remote.trust import SYSTEM, Trust

if TYPE_CHECKING:
    from wherry.stores.remote.hosts_registries import Registries

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
        self._registries: Registries | None = None
        self._by_folder: dict[str, Route | None] = {}
        self._trusts: dict[str, Trust] = {}

    def route(self, registry: str, repository: str = "") -> Route:
        """The route to a repository, or to the registry itself.

        Raises:
            RouteError: a file cannot be used, or blocks it.
        """
        route = self._rule(registry, repository) or self._folder_route(registry) or plain_route(registry)
        return Route(self._trusting(route.home), tuple(map(self._trusting, route.mirrors)))

    def trust(self, host: str) -> Trust:
        """The certificates that count for a host.

        Raises:
            RouteError: a file cannot be used.
        """
        if host not in self._trusts:
            self._trusts[host] = self._folder_trust(host)
        return self._trusts[host]

    # Most machines have few of these files or none, and every command would pay for reading what is not there.

    def _rule(self, registry: str, repository: str) -> Route | None:
        if self._registries is None:
            files = [file for file in self._files if file.exists()]
            if not files:
                return None
            from wherry.stores.remote.hosts_registries import Registries  # noqa: PLC0415  # see above

            self._registries = Registries(files)
        return self._registries.route(registry, repository)

    def _folder_route(self, registry: str) -> Route | None:
        if self._existing and registry not in self._by_folder:
            from wherry.stores.remote.hosts_folders import folder_route  # noqa: PLC0415  # see above

            self._by_folder[registry] = folder_route(self._existing, registry)
        return self._by_folder.get(registry)

    def _folder_trust(self, host: str) -> Trust:
        if not self._existing:
            return SYSTEM
        from wherry.stores.remote.hosts_folders import folder_trust  # noqa: PLC0415  # see above

        return folder_trust(self._existing, host)

    @cached_property
    def _existing(self) -> list[Path]:
        return [folder for folder in self._folders if folder.exists()]

    def _trusting(self, endpoint: Endpoint) -> Endpoint:
        host = endpoint.host
        trust = host.trust | self.trust(host.name)
        return endpoint if trust == host.trust else replace(endpoint, host=replace(host, trust=trust))
