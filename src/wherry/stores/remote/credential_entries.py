"""The entries of docker's `config.json` and podman's `auth.json`: which of them is a registry's, and what it says.

A key is a registry, and may go on to a namespace or a repository (`host/team/app`); the longest that fits is the one, in docker's file too:
podman, skopeo and crane read it so. Old files have URLs as keys (`https://host/v1/`), and paths of the API (`host/v2/`): what counts in
them is the host.

A password may be any bytes: what is not UTF-8 in it is carried as surrogates (PEP 383).
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from wherry.oci.document import object_at, text_at
from wherry.oci.reference import DOCKER_HUB
from wherry.stores.remote.credentials import IDENTITY_TOKEN, Credential

__all__ = ["HUB_KEY", "HUB_KEYS", "entry_of", "found_in", "is_of"]

HUB_KEY = "https://index.docker.io/v1/"
HUB_KEYS = (HUB_KEY, DOCKER_HUB, "index.docker.io", "registry-1.docker.io")
_API = frozenset(("", "v1", "v2"))


def is_of(registry: str, key: str) -> bool:
    """Whether a key is a spelling of a registry; those of its repositories are others."""
    _, is_url, rest = key.rpartition("://")
    host, _, path = rest.partition("/")
    return (bool(is_url) or path.strip("/") in _API) and (DOCKER_HUB if host in HUB_KEYS else host) == registry


def found_in(entries: Mapping[str, Any], registry: str, repository: str) -> tuple[str, Credential] | None:
    """The best key for a repository whose entry has a credential, and that.

    Raises:
        InvalidDescriptor, ValueError: an entry on the way is wrong.
    """
    for key in _keys(entries, registry, repository):
        entry = object_at(entries, key, "auths")
        found = None if entry is None else _credential(entry)
        if found is not None:
            return key, found
    return None


def _keys(entries: Mapping[str, Any], registry: str, repository: str) -> Iterator[str]:
    """The keys that may hold it, best first."""
    parts = repository.split("/") if repository else []
    yield from ("/".join([registry, *parts[:length]]) for length in range(len(parts), 0, -1))
    yield from HUB_KEYS if registry == DOCKER_HUB else (registry,)
    yield from (key for key in entries if is_of(registry, key))


def entry_of(credential: Credential) -> dict[str, str]:
    """An entry as docker writes it."""
    password = "" if credential.identity_token else credential.password
    entry = {"auth": base64.b64encode(f"{credential.username}:{password}".encode(errors="surrogateescape")).decode()}
    return entry | ({"identitytoken": credential.identity_token} if credential.identity_token else {})


def _credential(entry: Mapping[str, Any]) -> Credential | None:
    identity_token = text_at(entry, "identitytoken") or ""
    registry_token = text_at(entry, "registrytoken") or ""
    username, password = text_at(entry, "username") or "", text_at(entry, "password") or ""
    if auth := text_at(entry, "auth"):
        try:
            # Go's decoder, which docker has, passes over line breaks: `base64` writes them.
            pair = base64.b64decode(auth.replace("\r", "").replace("\n", ""), validate=True).decode(
                errors="surrogateescape"
            )
        except binascii.Error:
            raise ValueError("auth is not base64 of user:password") from None
        username, colon, password = pair.rstrip("\0").partition(":")
        if not colon:
            raise ValueError("auth is not base64 of user:password")
    if username == IDENTITY_TOKEN:
        return Credential(identity_token=password)
    if not (username or identity_token or registry_token):
        return None
    return Credential(username, password, identity_token, registry_token)
