"""The registries and clients of these tests."""

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers import debian_registry, distribution_registry  # noqa: F401  # fixtures
from wherry.oci.reference import Reference
from wherry.stores.remote import Client, Repository

__all__ = ["Certified"]


@pytest.fixture(params=["ours", "debian", "distribution"])
def address(request: pytest.FixtureRequest) -> str:
    """The address of an empty registry: ours, and each of the others that is installed."""
    if request.param == "ours":
        return str(request.getfixturevalue("registry").address)
    return str(request.getfixturevalue(f"{request.param}_registry"))


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Repository]]:
    """Open a repository at an address, with a client of the given options that is closed with the test."""
    async with AsyncExitStack() as clients:

        def open_repository(
            address: str, name: str = "team/app", client: Client | None = None, **options
        ) -> Repository:
            if client is None:
                client = Client(**options)
                clients.push_async_exit(client.__aexit__)
            return client.repository(Reference.parse_repository(f"{address}/{name}"))

        yield open_repository


@dataclass(frozen=True)
class Certified:
    """A server's TLS settings, and the file of the authority that vouches for its certificate."""

    server: ssl.SSLContext
    authority: Path


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    """A certificate for loopback, signed by an authority that nobody knows; made by openssl for this test alone."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], check=True, capture_output=True, cwd=tmp_path)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=an authority")
    run("req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (tmp_path / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    run(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-extfile", "names", "-out", "server.pem",
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    return Certified(context, tmp_path / "ca.pem")
