"""oras and helm keep files and charts in our registry."""

from pathlib import Path

import pytest

from tests.interop.conftest import Run
from wherry.oci.reference import Reference, Tag
from wherry.server.running import Running
from wherry.stores.remote import Client


@pytest.mark.peer("oras")
async def test_oras_pushes_attaches_and_pulls(run: Run, registry: Running, home: Path) -> None:
    (home / "note.txt").write_text("a note\n")
    (home / "signature.txt").write_text("signed\n")
    remote = f"{registry.address}/team/files:1"
    await run("oras", "push", "--plain-http", remote, "note.txt:text/plain")
    attach = "oras", "attach", "--plain-http", "--artifact-type", "example/signature"
    await run(*attach, remote, "signature.txt:text/plain")
    await run("oras", "pull", "--plain-http", "--output", home / "pulled", remote)
    assert (home / "pulled" / "note.txt").read_text() == "a note\n"
    async with Client() as client:
        repository = client.repository(Reference.parse(remote))
        subject = await repository.resolve(Tag("1"))
        types = [each.artifact_type async for each in repository.referrers(subject.digest)]
    assert types == ["example/signature"]


@pytest.mark.peer("helm")
async def test_helm_pushes_and_pulls_a_chart(run: Run, registry: Running, home: Path) -> None:
    await run("helm", "create", "boat")
    await run("helm", "package", "boat", "--version", "0.1.0")
    await run("helm", "push", "--plain-http", "boat-0.1.0.tgz", f"oci://{registry.address}/charts")
    (home / "pulled").mkdir()
    place = f"oci://{registry.address}/charts/boat"
    await run("helm", "pull", "--plain-http", "--version", "0.1.0", "--destination", home / "pulled", place)
    assert (home / "pulled" / "boat-0.1.0.tgz").read_bytes() == (home / "boat-0.1.0.tgz").read_bytes()
