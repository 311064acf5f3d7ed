"""Docker's `config.json`, and podman's and skopeo's `auth.json`, which has the same form: read, and written by a login.

Such a file has, for each registry, an entry of `auths` (`auth` is base64 of `user:password`; or `username` and
`password`, an `identitytoken`, a `registrytoken`), or names a program that keeps them: `credHelpers` for one registry,
`credsStore` for all. In `auth.json` a key may go on to a namespace or a repository (`host/team/app`); the longest that
fits is the one. What we do not know in a file stays as it is.

Only front ends know where the files are. Spec: containers-auth.json(5); docker's has none.
"""

import asyncio
import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from wherry.oci.document import NotJSON, decode, object_at, text_at, texts_at
from wherry.oci.errors import CredentialsError, InvalidDescriptor
from wherry.oci.reference import DOCKER_HUB
from wherry.stores.remote.credential_helper import Helper
from wherry.stores.remote.credentials import IDENTITY_TOKEN, Credential, HelperAbsent

__all__ = ["DockerConfig"]

_HUB_KEY = "https://index.docker.io/v1/"
_HUB_KEYS = (_HUB_KEY, DOCKER_HUB, "index.docker.io", "registry-1.docker.io")
_PATIENCE = 30.0  # seconds: a helper may ask its user to unlock a key ring


class DockerConfig:
    """The file at `path`; read when it is first needed. It need not exist.

    Args:
        scoped: keys may go on to a namespace or a repository, as podman's do.
        patience: seconds that a helper may think.
    """

    def __init__(self, path: Path, *, scoped: bool = False, patience: float = _PATIENCE) -> None:
        self.path = path
        self._scoped = scoped
        self._patience = patience
        self._document: Mapping[str, Any] | None = None
        self._helped: dict[str, Credential | None] = {}
        self._asking = asyncio.Lock()

    async def find(self, registry: str, repository: str = "") -> Credential | None:
        """The credential for a registry: from its helper if one is named and knows it, else from the file.

        Raises:
            HelperAbsent: a helper is named that is not installed, and the file has nothing itself.
            CredentialsError: the file cannot be read, or a helper fails.
        """
        document = self._read()
        absent: HelperAbsent | None = None
        try:
            try:
                found = await self._from_helper(document, registry)
            except HelperAbsent as error:
                found, absent = None, error
            found = found or self._from_entries(object_at(document, "auths") or {}, registry, repository)
        except (InvalidDescriptor, ValueError) as error:
            reason = f"{error.text} {error.reason}" if isinstance(error, InvalidDescriptor) else str(error)
            raise self._broken(f"the entry for {registry}: {reason}") from error
        if found is None and absent is not None:
            raise absent
        return found

    def helper(self, registry: str) -> Helper | None:
        """The helper that keeps the registry's credential, if one is named.

        Raises:
            CredentialsError: the file cannot be read.
        """
        return self._helper(self._read(), registry)

    async def keep(self, registry: str, credential: Credential) -> str:
        """Write a credential: into the registry's helper, else into the file. Returns where it is now, for people.

        Raises:
            HelperAbsent, CredentialsError: the helper fails, or the file cannot be read or written.
        """
        document = self._read()
        key, helper = self._key(registry), self._helper(document, registry)
        entries = dict(self._entries(document))
        for other in self._theirs(entries, registry):
            if other != key:
                del entries[other]  # docker would find one, podman the other
        if helper is None:
            entries[key] = _entry_of(credential)
        else:
            await helper.store(key, credential)
            entries[key] = {}  # as docker does: the key alone shows that somebody is logged in
        self._write({**document, "auths": entries})
        return str(self.path) if helper is None else f"{helper.program} ({self.path})"

    async def forget(self, registry: str) -> bool:
        """Remove a registry's credential from its helper and from the file; return whether there was one.

        Raises:
            HelperAbsent, CredentialsError: the helper fails, or the file cannot be read or written.
        """
        document = self._read()
        helper, entries = self._helper(document, registry), self._entries(document)
        theirs = self._theirs(entries, registry)
        there = any(entries[each] for each in theirs)  # an empty entry stands for what its helper has
        if helper is not None and await helper.get(self._key(registry)) is not None:
            await helper.erase(self._key(registry))
            there = True
        if theirs:  # after the helper: where that fails, the file still says that there is something to forget
            self._write({**document, "auths": {name: entries[name] for name in entries if name not in theirs}})
        return there

    def _theirs(self, entries: Mapping[str, Any], registry: str) -> list[str]:
        """The keys of a registry; those of its repositories are others."""
        return [key for key in entries if ("://" in key or "/" not in key) and _host(key) == registry]

    def _key(self, registry: str) -> str:
        return _HUB_KEY if registry == DOCKER_HUB and not self._scoped else registry

    async def _from_helper(self, document: Mapping[str, Any], registry: str) -> Credential | None:
        helper = self._helper(document, registry)
        if helper is None:
            return None
        async with self._asking:
            if registry not in self._helped:
                self._helped[registry] = await helper.get(self._key(registry))
            return self._helped[registry]

    def _helper(self, document: Mapping[str, Any], registry: str) -> Helper | None:
        helpers = texts_at(document, "credHelpers") or {}
        keys = _HUB_KEYS if registry == DOCKER_HUB else (registry,)
        name = next((helpers[key] for key in keys if key in helpers), None)
        if name is None:
            name = text_at(document, "credsStore")
        return Helper(name, str(self.path), self._patience) if name else None

    def _from_entries(self, entries: Mapping[str, Any], registry: str, repository: str) -> Credential | None:
        for key in self._keys(entries, registry, repository):
            entry = object_at(entries, key, "auths")
            found = None if entry is None else _credential(entry)
            if found is not None:
                return replace(found, source=f"{self.path}, {key}")
        return None

    def _keys(self, entries: Mapping[str, Any], registry: str, repository: str) -> Iterator[str]:
        """The keys that may hold it, best first. Old files have URLs as keys; what counts in them is the host."""
        if self._scoped:
            parts = repository.split("/") if repository else []
            yield from ("/".join([registry, *parts[:length]]) for length in range(len(parts), 0, -1))
        yield from _HUB_KEYS if registry == DOCKER_HUB else (registry,)
        yield from (key for key in entries if key.partition("://")[2].partition("/")[0] == registry)

    def _entries(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return object_at(document, "auths") or {}
        except InvalidDescriptor as error:
            raise self._broken(f"{error.text} {error.reason}") from error

    def _read(self) -> Mapping[str, Any]:
        if self._document is None:
            try:
                text = self.path.read_bytes()
                # an empty file is what `touch` and mounts of /dev/null leave, and docker takes it
                document = decode(text) if text.strip() else {}
            except (FileNotFoundError, NotADirectoryError):
                document = {}
            except OSError as error:
                raise self._broken(error.strerror or str(error)) from error
            except NotJSON as error:
                raise self._broken(f"it is not JSON: {error}") from error
            if not isinstance(document, dict):
                raise self._broken("it is JSON, but not an object")
            self._document = document
        return self._document

    def _write(self, document: Mapping[str, Any]) -> None:
        """Replace the file as a whole, for its owner's eyes alone; behind a symbolic link, what the link names."""
        path = Path(os.path.realpath(self.path))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
            try:
                with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(_formatted(document))
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise CredentialsError(
                f"{self.path}: cannot be written: {error.strerror}", hint="set DOCKER_CONFIG to a folder of your own"
            ) from error
        self._document = document
        self._helped.clear()

    def _broken(self, reason: str) -> CredentialsError:
        variable = "REGISTRY_AUTH_FILE" if self._scoped else "DOCKER_CONFIG"
        other = "file" if self._scoped else "folder"
        return CredentialsError(
            f"{self.path}: {reason}", hint=f"mend {self.path}, or set {variable} to another {other}"
        )


def _formatted(document: Mapping[str, Any]) -> bytes:
    """As docker writes it, with tabs, so that nobody's file changes everywhere."""
    import json  # noqa: PLC0415  # only a login writes, and msgspec knows no tabs

    return json.dumps(document, indent="\t", ensure_ascii=False).encode()


def _host(key: str) -> str:
    """The registry that a key is about."""
    host = (key.partition("://")[2] or key).partition("/")[0]
    return DOCKER_HUB if host in _HUB_KEYS else host


def _entry_of(credential: Credential) -> dict[str, str]:
    """An entry as docker writes it."""
    password = "" if credential.identity_token else credential.password
    entry = {"auth": base64.b64encode(f"{credential.username}:{password}".encode()).decode()}
    return entry | ({"identitytoken": credential.identity_token} if credential.identity_token else {})


def _credential(entry: Mapping[str, Any]) -> Credential | None:
    identity_token = text_at(entry, "identitytoken") or ""
    registry_token = text_at(entry, "registrytoken") or ""
    username, password = text_at(entry, "username") or "", text_at(entry, "password") or ""
    if auth := text_at(entry, "auth"):
        try:
            # Go's decoder, which docker has, passes over line breaks: `base64` writes them.
            pair = base64.b64decode(auth.replace("\r", "").replace("\n", ""), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("auth is not base64 of user:password") from None
        username, colon, password = pair.rstrip("\0").partition(":")
        if not colon:
            raise ValueError("auth is not base64 of user:password")
    if username == IDENTITY_TOKEN:
        return Credential(identity_token=password)
    if not (username or identity_token or registry_token):
        return None
    return Credential(username, password, identity_token, registry_token)
