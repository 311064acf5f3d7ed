"""Credentials for registries, from docker's `config.json` or given by the program.

Docker's file has, for each registry, an entry of `auths` (`auth` is base64 of `user:password`; or `username` and
`password`, an `identitytoken`, a `registrytoken`), or names a program that keeps them: `credHelpers` for one registry,
`credsStore` for all. The program is `docker-credential-NAME get`: the registry's name in, JSON out.

Only front ends know where the file is.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from wherry.oci.document import NotJSON, decode, object_at, text_at, texts_at
from wherry.oci.errors import CredentialsError, InvalidDescriptor
from wherry.oci.reference import DOCKER_HUB

__all__ = ["Credential", "Credentials", "DockerConfig", "Fixed"]

_HUB_KEY = "https://index.docker.io/v1/"
_HUB_KEYS = (_HUB_KEY, DOCKER_HUB, "index.docker.io", "registry-1.docker.io")
_IDENTITY_TOKEN = "<token>"
_PATIENCE = 30.0  # seconds: a helper may ask its user to unlock a key ring


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves who asks: a user name and password, an identity token (traded for tokens), or a ready token."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def who(self) -> str:
        """Who asks, for messages."""
        return f"user {self.username!r}" if self.username else "a token"


class Credentials(Protocol):
    """Where a client finds credentials."""

    async def find(self, registry: str) -> Credential | None:
        """The credential for `host[:port]` as the user writes it; None asks anonymously.

        Raises:
            CredentialsError: what should hold them does not work.
        """


@dataclass(frozen=True, slots=True)
class Fixed:
    """Credentials that the program has at hand, by registry."""

    by_registry: Mapping[str, Credential]

    async def find(self, registry: str) -> Credential | None:
        return self.by_registry.get(registry)


class DockerConfig:
    """Docker's `config.json` at `path`; read when it is first needed. It need not exist."""

    def __init__(self, path: Path, *, patience: float = _PATIENCE) -> None:
        self._path = path
        self._patience = patience
        self._document: Mapping[str, Any] | None = None

    async def find(self, registry: str) -> Credential | None:
        """The credential for a registry: from its helper if one is named, else from the file.

        Raises:
            CredentialsError: the file cannot be read, or a helper fails. A helper that is not installed, or that knows
                nothing of the registry, is no failure: docker asks anonymously then, and so do we.
        """
        document = self._read()
        try:
            helper = (texts_at(document, "credHelpers") or {}).get(registry) or text_at(document, "credsStore")
            entries = object_at(document, "auths") or {}
            if helper:
                found = await self._ask(helper, _HUB_KEY if registry == DOCKER_HUB else registry)
                if found is not None:
                    return found
            entry = _entry(entries, registry)
            return None if entry is None else _credential(entry)
        except (InvalidDescriptor, ValueError) as error:
            reason = f"{error.text} {error.reason}" if isinstance(error, InvalidDescriptor) else str(error)
            raise self._broken(f"the entry for {registry}: {reason}") from error

    def _read(self) -> Mapping[str, Any]:
        if self._document is None:
            try:
                document = decode(self._path.read_bytes())
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

    async def _ask(self, helper: str, key: str) -> Credential | None:
        program = f"docker-credential-{helper}"
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                "get",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CredentialsError(f"{program}: cannot be run: {error.strerror}", hint=self._hint) from error
        try:
            async with asyncio.timeout(self._patience):
                output, complaint = await process.communicate(key.encode())
        except TimeoutError:
            raise CredentialsError(f"{program}: no answer in {self._patience:g} s", hint=self._hint) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            words = (output or complaint).decode(errors="replace").strip()
            if "credentials not found" in words:
                return None
            raise CredentialsError(f"{program}: {words or f'exit code {process.returncode}'}", hint=self._hint)
        return self._answer(program, output)

    def _answer(self, program: str, output: bytes) -> Credential:
        try:
            document = decode(output)
            if not isinstance(document, dict):
                raise CredentialsError(f"{program}: its answer is not a JSON object", hint=self._hint)
            username, secret = text_at(document, "Username") or "", text_at(document, "Secret") or ""
        except (NotJSON, InvalidDescriptor):
            raise CredentialsError(f"{program}: its answer is not the JSON it should be", hint=self._hint) from None
        if username == _IDENTITY_TOKEN:
            return Credential(identity_token=secret)
        return Credential(username, secret)

    @property
    def _hint(self) -> str:
        return f"{self._path} names that helper"

    def _broken(self, reason: str) -> CredentialsError:
        return CredentialsError(
            f"{self._path}: {reason}", hint=f"mend {self._path}, or set DOCKER_CONFIG to another folder"
        )


def _entry(entries: Mapping[str, Any], registry: str) -> Mapping[str, Any] | None:
    """The entry of a registry. Old files have URLs as keys; what counts in them is the host."""
    for key in _HUB_KEYS if registry == DOCKER_HUB else (registry,):
        entry = object_at(entries, key, "auths")
        if entry is not None:
            return entry
    for key in entries:
        if key.partition("://")[2].partition("/")[0] == registry:
            return object_at(entries, key, "auths")
    return None


def _credential(entry: Mapping[str, Any]) -> Credential | None:
    identity_token = text_at(entry, "identitytoken") or ""
    registry_token = text_at(entry, "registrytoken") or ""
    username, password = text_at(entry, "username") or "", text_at(entry, "password") or ""
    if auth := text_at(entry, "auth"):
        try:
            pair = base64.b64decode(auth, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("auth is not base64 of user:password") from None
        username, colon, password = pair.rstrip("\0").partition(":")
        if not colon:
            raise ValueError("auth is not base64 of user:password")
    if username == _IDENTITY_TOKEN:
        return Credential(identity_token=password)
    if not (username or identity_token or registry_token):
        return None
    return Credential(username, password, identity_token, registry_token)
