"""`registries.conf` of containers (podman, skopeo, buildah): other locations, mirrors, what is insecure, what is blocked.

Of the `[[registry]]` tables the one with the longest `prefix` that fits a reference counts. Its `location` takes the
prefix's place, and so do those of its mirrors. Drop-in files replace tables of the same prefix. What is about short names is
none of our business: wherry reads them as docker does. The first version of the format is understood as far as it says what
is insecure and what is blocked.

Spec: containers-registries.conf(5), containers-registries.conf.d(5).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from msgspec import Struct

from wherry.oci.errors import InvalidReference, RouteError
from wherry.oci.reference import check_registry
from wherry.stores.remote.hosts import Endpoint, Host, Names, Route
from wherry.stores.remote.hosts_toml import Table, read_toml

__all__ = ["Registries"]

_NAMES = ("all", "digest-only", "tag-only")


class _Place(Struct, frozen=True):
    """`host[:port][/path]`, in a prefix's place."""

    location: str
    insecure: bool
    names: Names = "all"


class _Rule(Struct, frozen=True):
    prefix: str
    home: _Place
    mirrors: tuple[_Place, ...]
    blocked: bool
    source: str

    def fits(self, reference: str) -> bool:
        if self.prefix.startswith("*."):
            return reference.partition("/")[0].partition(":")[0].endswith(self.prefix[1:])
        return reference == self.prefix or reference.startswith(f"{self.prefix}/")


class Registries:
    """What these files say together; later ones replace what earlier ones say of the same prefix.

    Raises:
        RouteError: a file cannot be read, or is wrong.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        rules: dict[str, _Rule] = {}
        for file in files:
            root = read_toml(file)
            if root is not None:
                rules |= {rule.prefix: rule for rule in _rules(root)}
        self._rules = sorted(rules.values(), key=lambda rule: len(rule.prefix), reverse=True)

    def route(self, registry: str, repository: str) -> Route | None:
        """The route to a repository; None if no table fits.

        Raises:
            RouteError: it is blocked.
        """
        reference = f"{registry}/{repository}" if repository else registry
        rule = next((each for each in self._rules if each.fits(reference)), None)
        if rule is None:
            return None
        if rule.blocked:
            raise RouteError(f"{reference}: blocked by {rule.source}", hint=f"see prefix {rule.prefix!r} there")
        home = _endpoint(rule, rule.home, registry, repository)
        return Route(home, tuple(_endpoint(rule, each, registry, repository) for each in rule.mirrors))


def _endpoint(rule: _Rule, place: _Place, registry: str, repository: str) -> Endpoint:
    """A place for a reference: what follows the prefix in the reference follows the location there."""
    if not place.location:
        return Endpoint(Host(registry, insecure=place.insecure), names=place.names, source=rule.source)
    prefix = registry if rule.prefix.startswith("*.") else rule.prefix  # the whole host, of which it fits the end
    rest = f"{registry}/{repository}".removeprefix(prefix).strip("/")
    host, _, path = place.location.partition("/")
    name = "/".join(part for part in (path, rest) if part)
    return Endpoint(
        Host(host, insecure=place.insecure),
        None if name == repository else name,
        names=place.names,
        source=rule.source,
    )


def _rules(root: Table) -> Iterator[_Rule]:
    for table in root.tables("registry"):
        location = _location(table)
        prefix = table.text("prefix").rstrip("/") or location
        if not prefix:
            raise table.error("it has neither a prefix nor a location")
        if not location and not prefix.startswith("*."):
            location = prefix
        mirrors = []
        for each in table.tables("mirror"):
            names = each.text("pull-from-mirror") or ("digest-only" if table.flag("mirror-by-digest-only") else "all")
            if names not in _NAMES:
                raise each.error(f"pull-from-mirror is {names!r}, not one of {', '.join(_NAMES)}")
            if not _location(each):
                raise each.error("a mirror without a location")
            mirrors.append(_Place(_location(each), each.flag("insecure"), cast("Names", names)))
        home = _Place(location, table.flag("insecure"))
        yield _Rule(prefix, home, tuple(mirrors), table.flag("blocked"), str(root.file))
    yield from _first_version(root)


def _first_version(root: Table) -> Iterator[_Rule]:
    if "registries" not in root.fields:
        return
    old = root.table("registries")
    blocked = set(old.table("block").texts("registries") or ())
    insecure = set(old.table("insecure").texts("registries") or ())
    for host in sorted(blocked | insecure):
        yield _Rule(host, _Place(host, host in insecure), (), host in blocked, str(root.file))


def _location(table: Table) -> str:
    location = table.text("location").rstrip("/")
    if location:
        try:
            check_registry(location.partition("/")[0])
        except InvalidReference as error:
            raise table.error(f"location {location!r}: its host is {error.reason}") from error
    return location
