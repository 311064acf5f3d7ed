"""What a command takes from its user's surroundings: docker's configuration, and the one event loop.

Only front ends look at the environment; the stores are told.
"""

import asyncio
import os
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from wherry.oci.errors import CredentialsError
from wherry.stores.remote import Client
from wherry.stores.remote.credentials import DockerConfig
from wherry.stores.remote.reach import Loopback

__all__ = ["docker_config", "open_client", "run"]

Result = TypeVar("Result")


def docker_config(environment: Mapping[str, str] = os.environ) -> Path:
    """Docker's configuration folder: `$DOCKER_CONFIG`, or `~/.docker`. It need not exist.

    Raises:
        CredentialsError: neither the variable nor a home folder is there.
    """
    if told := environment.get("DOCKER_CONFIG"):
        return Path(told)
    try:
        return Path.home() / ".docker"
    except RuntimeError:
        raise CredentialsError(
            "there is no home folder to look for docker's configuration in", hint="set DOCKER_CONFIG"
        ) from None


def open_client(*, insecure: bool = False, loopback: Loopback = "plain") -> Client:
    """A client for all registries, with the credentials of docker's configuration; to be entered with `async with`."""
    credentials = None
    with suppress(CredentialsError):  # nobody's home, as in many containers: then nobody is logged in
        credentials = DockerConfig(docker_config() / "config.json")
    return Client(credentials=credentials, insecure=insecure, loopback=loopback, environment_proxies=True)


def run(main: Coroutine[Any, Any, Result], *, heavy: bool = False) -> Result:
    """Run a command's coroutine on the event loop, which this starts and ends.

    `heavy` is for commands that move blobs: uvloop's loop takes longer to import, and then less time for each piece.
    """
    if not heavy:
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415  # commands that ask a registry one thing are over before it has paid

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
