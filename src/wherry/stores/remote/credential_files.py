"""Docker's `config.json`, and podman's and skopeo's `auth.json`, which has the same form: read, and written by a login.

Such a file has, for each registry, an entry of `auths` (`auth` is base64 of `user:password`; or `username` and
`password`, an `identitytoken`, a `registrytoken`), or names a program that keeps them: `credHelpers` for one registry,
`credsStore` for all (`credential_entries` reads the entries). What we do not know in a file stays as it is.

Only front ends know where the files are. Spec: containers-auth.json(5); docker's has none.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from wherry.oci.document import NotJSON, decode, object_at, text_at, texts_at
from wherry.oci.errors import CredentialsError, InvalidDescriptor
from wherry.oci.reference import DOCKER_HUB
from wherry.stores.remote.credential_entries import HUB_KEY, HUB_KEYS, entry_of, found_in, is_of
from wherry.stores.remote.credential_helper import Helper
from wherry.stores.remote.credentials import Credential, HelperAbsent

__all__ = ["DockerConfig"]

_PATIENCE = 30.0  # seconds: a helper may ask its user to unlock a key ring
_TURN, _TURNS = 0.01, 1000  # seconds: somebody else's turn takes some milliseconds, and is not waited for for ever


class DockerConfig:
    """The file at `path`; read when it is first needed. It need not exist.

    Args:
        podman: it is podman's: Docker Hub has its plain name there.
        patience: seconds that a helper may think.
    """

    def __init__(self, path: Path, *, podman: bool = False, patience: float = _PATIENCE) -> None:
        self.path = path
        self._podman = podman
        self._told: bytes | None = None
        self._patience = patience
        self._document: Mapping[str, Any] | None = None
        self._helped: dict[str, Credential | None] = {}
        self._asking = asyncio.Lock()

    @classmethod
    def in_variable(cls, name: str, content: str) -> Self:
        """What an environment variable has in the place of such a file, as CI systems hand it over; it is only read."""
        config = cls(Path(name))
        config._told = content.encode(errors="surrogateescape")
        return config

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
        document = self._read_anew()
        self._entries(document)
        key, helper = self._key(registry), self._helper(document, registry)
        entry = {}  # as docker does: the key alone shows that somebody is logged in
        if helper is None:
            entry = entry_of(credential)
        else:
            await helper.store(key, credential)

        def kept(entries: Mapping[str, Any]) -> Mapping[str, Any]:
            others = {name: entries[name] for name in entries if name == key or not is_of(registry, name)}
            return {**others, key: entry}  # docker would find one spelling, podman the other

        await self._change(kept)
        return str(self.path) if helper is None else f"{helper.program} ({self.path})"

    async def forget(self, registry: str) -> bool:
        """Remove a registry's credential from its helper and from the file; return whether there was one.

        Raises:
            HelperAbsent, CredentialsError: the helper fails, or the file cannot be read or written.
        """
        document = self._read_anew()
        helper, entries = self._helper(document, registry), self._entries(document)
        theirs = [name for name in entries if is_of(registry, name)]
        there = any(entries[each] for each in theirs)  # an empty entry stands for what its helper has
        if helper is not None and await helper.get(self._key(registry)) is not None:
            await helper.erase(self._key(registry))
            there = True
        if theirs:  # after the helper: where that fails, the file still says that there is something to forget
            await self._change(lambda now: {name: now[name] for name in now if not is_of(registry, name)})
        return there

    def _key(self, registry: str) -> str:
        return HUB_KEY if registry == DOCKER_HUB and not self._podman else registry

    async def _from_helper(self, document: Mapping[str, Any], registry: str) -> Credential | None:
        helper = self._helper(document, registry)
        if helper is None:
            return None
        async with self._asking:
            if registry not in self._helped:
                self._helped[registry] = await helper.get(self._key(registry))
            return self._helped[registry]

    def _helper(self, document: Mapping[str, Any], registry: str) -> Helper | None:
        keys = HUB_KEYS if registry == DOCKER_HUB else (registry,)
        try:
            helpers = texts_at(document, "credHelpers") or {}
            name = next((helpers[key] for key in keys if key in helpers), None)
            if name is None:
                name = text_at(document, "credsStore")
        except InvalidDescriptor as error:
            raise self._broken(f"{error.text} {error.reason}") from error
        return Helper(name, str(self.path), self._patience) if name else None

    def _from_entries(self, entries: Mapping[str, Any], registry: str, repository: str) -> Credential | None:
        found = found_in(entries, registry, repository)
        return replace(found[1], source=f"{self.path}, {found[0]}") if found is not None else None

    def _entries(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return object_at(document, "auths") or {}
        except InvalidDescriptor as error:
            raise self._broken(f"{error.text} {error.reason}") from error

    def _read(self) -> Mapping[str, Any]:
        if self._document is None:
            try:
                text = self.path.read_bytes() if self._told is None else self._told
                text = text.removeprefix(b"\xef\xbb\xbf").strip()  # editors on Windows put that mark there
                # an empty file is what `touch` and mounts of /dev/null leave, and docker takes it
                document = decode(text) if text else {}
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

    def _read_anew(self) -> Mapping[str, Any]:
        self._document = None
        return self._read()

    async def _change(self, edit: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        """Write the file with other entries. It is read anew for that: somebody else may have logged in meanwhile.

        Behind a symbolic link, what the link names is written.
        """
        path = self._behind_links()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            async with _alone_in(path.parent):
                document = self._read_anew()
                changed = {**document, "auths": dict(edit(self._entries(document)))}
                _replace(path, _formatted(changed))
        except OSError as error:
            raise CredentialsError(
                f"{self.path}: cannot be written: {error.strerror}", hint="set DOCKER_CONFIG to a folder of your own"
            ) from error
        self._document = changed
        self._helped.clear()

    def _behind_links(self) -> Path:
        return Path(os.path.realpath(self.path))

    def _broken(self, reason: str) -> CredentialsError:
        other = "REGISTRY_AUTH_FILE to another file" if self._podman else "DOCKER_CONFIG to another folder"
        way_out = f"set {other}" if self._told is None else "unset it"
        return CredentialsError(f"{self.path}: {reason}", hint=f"mend {self.path}, or {way_out}")


def _formatted(document: Mapping[str, Any]) -> bytes:
    """As docker writes it, with tabs, so that nobody's file changes everywhere."""
    import json  # noqa: PLC0415  # only a login writes, and msgspec knows no tabs

    return json.dumps(document, indent="\t", ensure_ascii=False).encode()


def _replace(path: Path, content: bytes) -> None:
    """Replace a file as a whole, for its owner's eyes alone."""
    draft = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@asynccontextmanager
async def _alone_in(folder: Path) -> AsyncIterator[None]:
    """As the only one of us who changes a file there; the folder itself is locked, so that nothing is left behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(_TURNS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(_TURN)
            except OSError:  # locks are not to be had here; docker has none at all
                break
            else:
                break
        yield
    finally:
        os.close(descriptor)
