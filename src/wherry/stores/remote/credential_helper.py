"""Credential helpers: programs called `docker-credential-NAME` that keep passwords in a key ring, a vault or a cloud.

The first argument is the verb, the rest is on standard input: `get` takes the registry's name and answers with JSON,
`store` takes that JSON, `erase` takes the name. A helper that fails says why on standard output.

Protocol: github.com/docker/docker-credential-helpers, README, "Development".
"""

import asyncio
from typing import Literal, cast

import msgspec
from msgspec import Struct

from wherry.oci.document import NotJSON, decode, text_at
from wherry.oci.errors import CredentialsError, InvalidDescriptor
from wherry.stores.remote.credentials import IDENTITY_TOKEN, Credential, HelperAbsent
from wherry.stores.remote.refusals import brief

__all__ = ["Helper"]

Verb = Literal["get", "store", "erase"]

_MOST = 64 * 1024  # bytes that a helper may say on each of its outputs: far more than any token has
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
        if not username:  # so some helpers say that they know nothing, with exit code 0
            return None
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
        try:
            told = msgspec.json.encode({"ServerURL": key, "Username": username, "Secret": secret})
        except UnicodeEncodeError:
            raise self._error("takes JSON, in which a password must be UTF-8") from None
        await self._run("store", told)

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
            transport, heard = await asyncio.get_running_loop().subprocess_exec(_Heard, self.program, verb)
        except FileNotFoundError:
            raise HelperAbsent(
                f"{self.program}, which {self.named_by} names, is not installed",
                hint=f"install it, or take its name out of {self.named_by}",
            ) from None
        except OSError as error:
            raise self._error(f"cannot be run: {error.strerror}") from error
        try:
            async with asyncio.timeout(self.patience):
                _tell(transport, told)
                await heard.enough.wait()
        except TimeoutError:
            raise self._error(f"no answer in {self.patience:g} s") from None
        finally:
            transport.close()  # which kills it, if it still runs, and leaves whom it has started without a reader
            await heard.end.wait()
        if heard.is_too_much:
            raise self._error(f"says more than {_MOST // 1024} KiB")
        output, complaint = bytes(heard.streams[1]), bytes(heard.streams[2])
        code = transport.get_returncode()
        if not code:
            return output
        words = (output or complaint).decode(errors="replace").strip()
        if _NOT_FOUND in words:
            return None
        raise self._error(brief(words) or f"exit code {code}")

    def _error(self, reason: str) -> CredentialsError:
        return CredentialsError(f"{self.program}: {reason}", hint=f"{self.named_by} names that helper")


class _Heard(asyncio.SubprocessProtocol):
    """What a running helper has said, by the output's number. `enough`: it has ended, or it has said too much."""

    def __init__(self) -> None:
        self.streams = {1: bytearray(), 2: bytearray()}
        self.is_too_much = False
        self.enough = asyncio.Event()
        self.end = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        stream = self.streams[fd]
        if len(stream) + len(data) > _MOST:
            self.is_too_much = True
            self.enough.set()
        else:
            stream += data

    def connection_lost(self, _error: Exception | None) -> None:
        self.enough.set()
        self.end.set()


def _tell(transport: asyncio.SubprocessTransport, words: bytes) -> None:
    """Write a helper's input, and end it."""
    its_input = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
    its_input.write(words)
    its_input.write_eof()
