"""Credential helpers: programs called `docker-credential-NAME` that keep passwords in a key ring, a vault or a cloud.

The first argument is the verb, the rest is on standard input: `get` takes the registry's name and answers with JSON,
`store` takes that JSON, `erase` takes the name. A helper that fails says why on standard output.

Protocol: github.com/docker/docker-credential-helpers, README, "Development".
"""

import asyncio
from typing import Literal

import msgspec
from msgspec import Struct

from wherry.oci.document import NotJSON, decode, text_at
from wherry.oci.errors import CredentialsError, InvalidDescriptor
from wherry.stores.remote.credentials import IDENTITY_TOKEN, Credential, HelperAbsent

__all__ = ["Helper"]

Verb = Literal["get", "store", "erase"]

_NOT_FOUND = "credentials not found"
_EXECUTABLE_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class Helper(Struct, frozen=True):
    """The helper that `named_by`, a file, calls `name`; it may think for `patience` seconds, and ask its user something."""

    name: str
    named_by: str
    patience: float

    @property
    def program(self) -> str:
        return f"docker-credential-{self.name}"

    async def get(self, key: str) -> Credential | None:
        """What the helper keeps under a key; None if that is nothing.

        Raises:
            HelperAbsent: it is not installed.
            CredentialsError: it fails.
        """
        output = await self._run("get", key.encode())
        if output is None:
            return None
        try:
            document = decode(output)
            if not isinstance(document, dict):
                raise self._error("its answer is not a JSON object")
            username, secret = text_at(document, "Username") or "", text_at(document, "Secret") or ""
        except (NotJSON, InvalidDescriptor):
            raise self._error("its answer is not the JSON it should be") from None
        source = f"{self.program} ({self.named_by})"
        if username == IDENTITY_TOKEN:
            return Credential(identity_token=secret, source=source)
        return Credential(username, secret, source=source)

    async def store(self, key: str, credential: Credential) -> None:
        """Have a credential kept.

        Raises:
            HelperAbsent, CredentialsError: as `get`.
        """
        username, secret = credential.username, credential.password
        if credential.identity_token:
            username, secret = IDENTITY_TOKEN, credential.identity_token
        await self._run("store", msgspec.json.encode({"ServerURL": key, "Username": username, "Secret": secret}))

    async def erase(self, key: str) -> None:
        """Have a credential forgotten; it need not be there.

        Raises:
            HelperAbsent, CredentialsError: as `get`.
        """
        await self._run("erase", key.encode())

    async def _run(self, verb: Verb, told: bytes) -> bytes | None:
        """What the helper answers; None: it knows nothing of that registry."""
        if not set(self.name) <= _EXECUTABLE_NAME:
            raise CredentialsError(f"{self.named_by}: {self.name!r} is no name of a credential helper")
        try:
            process = await asyncio.create_subprocess_exec(
                self.program,
                verb,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError:
            raise HelperAbsent(
                f"{self.program}, which {self.named_by} names, is not installed",
                hint=f"install it, or take its name out of {self.named_by}",
            ) from None
        except OSError as error:
            raise self._error(f"cannot be run: {error.strerror}") from error
        try:
            async with asyncio.timeout(self.patience):
                output, complaint = await process.communicate(told)
        except TimeoutError:
            raise self._error(f"no answer in {self.patience:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if not process.returncode:
            return output
        words = (output or complaint).decode(errors="replace").strip()
        if _NOT_FOUND in words:
            return None
        raise self._error(words or f"exit code {process.returncode}")

    def _error(self, reason: str) -> CredentialsError:
        return CredentialsError(f"{self.program}: {reason}", hint=f"{self.named_by} names that helper")
