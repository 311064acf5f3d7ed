"""Programs that other people wrote, run against our registry; a test whose program is not installed is skipped by name.

Each test has a home of its own, so that nobody's configuration is read or written, and no daemon is asked for anything.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.content import Content, a_layer, an_image, an_index_of, put
from wherry.oci.reference import Reference, Tag
from wherry.server.running import Running
from wherry.stores.layout import Layout
from wherry.stores.remote import Client

__all__ = ["Run", "Same", "There"]

Run = Callable[..., Awaitable[bytes]]
There = Callable[[str, Content], Awaitable[None]]
Same = Callable[[str, Content], Awaitable[None]]

_WITHIN = 60.0  # seconds that a program may take
_LAYER = a_layer({"base": bytes(range(250)) * 12_000})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test says by `peer` which programs it needs; they are other people's, and `make test` does without them."""
    for item in (each for each in items if Path(__file__).parent in each.path.parents):
        for mark in item.iter_markers("peer"):
            for name in mark.args:
                if shutil.which(name) is None:
                    item.add_marker(pytest.mark.skip(reason=f"{name} is not installed"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which every registry is trusted, and nobody is logged in."""
    folder = tmp_path / "home"
    (folder / ".config" / "containers").mkdir(parents=True)
    policy = {"default": [{"type": "insecureAcceptAnything"}]}
    (folder / ".config" / "containers" / "policy.json").write_text(json.dumps(policy))
    (folder / "run").mkdir(mode=0o700)
    (folder / "tmp").mkdir()
    return folder


@pytest.fixture
def run(home: Path) -> Run:
    """Run a program to its end; gives what it printed. It must succeed."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "TMPDIR": str(home / "tmp"),
    }

    async def run(*command: object) -> bytes:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment, cwd=home
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), _WITHIN)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, f"{command[0]}: {err.decode(errors='replace')}{out.decode(errors='replace')}"
        return out

    return run


@pytest.fixture
def regctl(registry: Running) -> tuple[str, ...]:
    """The program, told that our registry speaks plain HTTP."""
    return "regctl", f"--host=reg={registry.address},tls=disabled"


@pytest.fixture(scope="session")
def image() -> Content:
    """With a small layer and one that is sent in several pieces."""
    return an_image("interop", layers=(a_layer({"small": b"small"}), _LAYER))


@pytest.fixture(scope="session")
def index(image: Content) -> Content:
    return an_index_of(image, an_image("interop", platform="linux/arm64"))


@pytest.fixture
async def layout(tmp_path: Path, image: Content, index: Content) -> Path:
    """An OCI layout with the image, tagged `image`, and the index, tagged `index`."""
    folder = tmp_path / "layout"
    await put(image, Layout(folder), "image")
    await put(index, Layout(folder), "index")
    return folder


@pytest.fixture
def there(registry: Running) -> There:
    """Check that everything of a content is at a name in our registry, byte for byte."""

    async def check(name: str, content: Content) -> None:
        async with Client() as client:
            reference = Reference.parse(f"{registry.address}/{name}")
            repository = client.repository(reference)
            assert isinstance(reference.name, Tag)
            assert await repository.manifest(reference.name) == content.manifest
            for digest, manifest in content.all_manifests().items():
                assert await repository.manifest(digest) == manifest
            for blob in content.all_blobs().values():
                async for _ in repository.fetch(blob.descriptor):  # which verifies
                    pass

    return check


@pytest.fixture
def pulled(tmp_path: Path) -> Path:
    """Where a layout may be pulled to."""
    return tmp_path / "pulled"


@pytest.fixture
def same(pulled: Path) -> Same:
    """Check that what was pulled has everything of a content under a tag, byte for byte."""

    async def check(tag: str, content: Content) -> None:
        store = Layout(pulled)
        assert (await store.resolve(Tag(tag))).digest == content.digest
        for digest, manifest in content.all_manifests().items():
            assert await store.manifest(digest) == manifest
        for blob in content.all_blobs().values():
            async for _ in store.fetch(blob.descriptor):
                pass

    return check
