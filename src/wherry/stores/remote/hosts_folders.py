"""`certs.d`: a folder for each registry, `HOST[:PORT]/`, with certificates, and perhaps a `hosts.toml`.

Docker's and podman's form: `*.crt` are authorities, `NAME.cert` with `NAME.key` is our own certificate. Containerd's form
adds `hosts.toml`: `server` (who answers for the registry) and `[host."URL"]` tables (who is asked before it), each with `ca`,
`client`, `skip_verify`, `override_path`, `capabilities` and `header`. Containerd takes `_default` where a registry has no
folder, and `host_port_` for `host:port`.

Spec: docs.docker.com, "Verify repository client with certificates"; containers-certs.d(5); containerd, docs/hosts.md.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

from msgspec.structs import replace
from pyreqwest.http import Url

from wherry.oci.errors import RouteError
from wherry.oci.reference import DOCKER_HUB
from wherry.stores.remote.hosts import API, Endpoint, Host, Route
from wherry.stores.remote.hosts_toml import Table, read_toml
from wherry.stores.remote.reach import api_host, authority
from wherry.stores.remote.trust import SYSTEM, Trust, read_authorities, read_identity

__all__ = ["folder_route", "folder_trust"]

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")


def folder_trust(folders: Sequence[Path], host: str) -> Trust:
    """The certificates for a host: those of the first of `folders` that has a folder for it with any in it.

    Raises:
        RouteError: a file cannot be used.
    """
    for folder in folders:
        for name in _names(host):
            found = _certificates(folder / name)
            if found is not None:
                return found
    return SYSTEM


def folder_route(folders: Sequence[Path], registry: str) -> Route | None:
    """What the first `hosts.toml` for a registry says; None if there is none.

    Raises:
        RouteError: a file cannot be used.
    """
    for folder in folders:
        for name in (*_names(registry), "_default"):
            root = read_toml(folder / name / "hosts.toml")
            if root is not None:
                return _route(root, registry, folder_trust(folders, registry))
    return None


def _names(host: str) -> list[str]:
    names = [host] + ([api_host(host)] if host == DOCKER_HUB else [])
    return names + [f"{each.replace(':', '_')}_" for each in names if ":" in each]


def _certificates(folder: Path) -> Trust | None:
    try:
        files = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RouteError(f"{folder}: {error.strerror or error}", hint="it holds a registry's certificates") from error
    trust = read_authorities(file for file in files if file.suffix == ".crt")
    for file in files:
        if file.suffix == ".key" and file.with_suffix(".cert") not in files:
            raise RouteError(f"{file}: its certificate, {file.stem}.cert, is not beside it")
        if file.suffix == ".cert":
            if file.with_suffix(".key") not in files:
                raise RouteError(
                    f"{file}: its key, {file.stem}.key, is not beside it",
                    hint="an authority that is to be trusted is called *.crt",
                )
            trust |= read_identity(file, file.with_suffix(".key"))
    return trust if trust != SYSTEM else None


def _route(root: Table, registry: str, trust: Trust) -> Route:
    """A route as a `hosts.toml` tells it. A host table for the server itself only says how that is reached."""
    source = str(root.file)
    server = root.text("server")
    home = _host(root, server, trust) if server else Host(registry, **_reach(root, trust))
    mirrors = []
    tables = root.table("host")
    for url in tables.fields:
        table = tables.table(url)
        host = _host(table, url, trust if authority(_url(table, url)) == home.address else SYSTEM)
        if (host.address, host.api) == (home.address, home.api):
            home = replace(host, insecure=host.insecure or home.insecure)
            continue
        powers = [each.lower() for each in table.texts("capabilities") or ("pull", "resolve")]
        if "pull" in powers:
            resolves = "resolve" in powers
            mirrors.append(Endpoint(host, None, registry, "all", resolves, source))
    name = registry if home.address == api_host(registry) else home.name
    return Route(Endpoint(replace(home, name=name), source=source), tuple(mirrors))


def _host(table: Table, text: str, trust: Trust) -> Host:
    url = _url(table, text)
    path = url.path.rstrip("/")
    api = path if table.flag("override_path") or path.endswith(API) else f"{path}{API}"
    return Host(authority(url), cast("Literal['http', 'https']", url.scheme), api, **_reach(table, trust))


def _url(table: Table, text: str) -> Url:
    try:
        url = Url(text if "://" in text else f"https://{text}")
    except ValueError:
        url = None
    if url is None or url.scheme not in {"http", "https"} or not url.host_str:
        raise table.error(f"{text!r} is no URL of a host")
    return url


def _reach(table: Table, trust: Trust) -> dict[str, Any]:
    folder = table.file.parent
    files = [folder / each for each in table.texts("ca") or ()]
    told = read_authorities(files) | _identity(table, folder)
    return {
        "insecure": table.flag("skip_verify"),
        "trust": told | trust,
        "headers": _headers(table.table("header")),
    }


def _headers(table: Table) -> tuple[tuple[str, str], ...]:
    """Header fields, of which HTTP could send each (RFC 9110, 5.1 and 5.5). A value may be a secret: no message has it."""
    found = []
    for name in table.fields:
        if not _FIELD_NAME.fullmatch(name):
            raise table.error(f"{name!r} is no name of an HTTP header")
        values = table.texts(name) or []
        if not all(map(_FIELD_VALUE.fullmatch, values)):
            raise table.error(f"the value of {name} is none of an HTTP header: it has a line break or the like in it")
        found += [(name, ", ".join(values))] if values else []  # several lines are one list: RFC 9110, 5.3
    return tuple(found)


def _identity(table: Table, folder: Path) -> Trust:
    """`client`: one file with both, or a list of files, or of pairs (certificate, key). The first of them is ours."""
    client = table.fields.get("client")
    first = client[0] if isinstance(client, list) and client else client
    match first:
        case None | []:
            return SYSTEM
        case str():
            return read_identity(folder / first, None)
        case [str(certificate)]:
            return read_identity(folder / certificate, None)
        case [str(certificate), str(key)]:
            return read_identity(folder / certificate, folder / key if key else None)
        case _:
            raise table.error("client must be a file, or a list of files or of pairs of files")
