"""The demo: assemble an image of eleven platforms in one registry, carry it to another, and compare every digest.

It runs the very commands that a person would type, and prints each before it runs it. Everything happens on loopback ports
and in a temporary folder, and nothing is left behind.
"""

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hello_world import Image, images

from wherry.oci.descriptor import Descriptor
from wherry.oci.manifest import successors
from wherry.oci.mediatype import is_foreign_layer
from wherry.oci.reference import Reference, Tag
from wherry.stores.protocol import Source, Store
from wherry.stores.remote import Client

BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
WIDTH = 116


def main() -> None:
    """Run it all; ends with exit code 1 if a command fails or a digest differs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="wherry-demo-"))
        os.environ["DOCKER_CONFIG"] = home  # drafts go there, and the user's own stay as they are
        say("Two registries, both ours, both on free ports and with nothing in them:")
        first, second = (f"{stack.enter_context(registry(home))}/demo/hello-world" for _ in range(2))
        say("Eleven images, one a platform, pushed to the first with the library:")
        built = list(images())
        asyncio.run(push(built, first))
        assemble(built, first)
        carry(first, second)
        asyncio.run(compare(f"{first}:latest", f"{second}:latest"))
    print(f"{DIM}({time.monotonic() - began:.1f} seconds; nothing is left behind){PLAIN}")


def assemble(built: list[Image], repository: str) -> None:
    """Make the list of all images: `manifest create`, `annotate`, `push`, and look at it."""
    name = f"{repository}:latest"
    say("Make one image of them. Nothing is pushed yet: this is a draft on the disk.")
    run("manifest", "create", "--insecure", name, *(f"{repository}:{image.tag}" for image in built))
    say("Most platforms were read from the images' configs. Some configs do not say all:")
    for image in built:
        if image.annotate:
            run("manifest", "annotate", *image.annotate, name, f"{repository}:{image.tag}", why=image.why)
    say("Push it, and let the draft go. The answer is the digest that everybody can pin:")
    run("manifest", "push", "--purge", name)
    say("What the registry has now:")
    run("manifest", "inspect", "--insecure", name, show=24)
    run("manifest", "inspect", "--insecure", "--verbose", name, show=22)


def carry(first: str, second: str) -> None:
    """Copy the whole image to the other registry, and look at it there."""
    say("Carry it to the other registry, with everything below it:")
    run("copy", f"{first}:latest", f"{second}:latest")
    say("And there:")
    run("inspect", f"{second}:latest")


def run(*arguments: str, show: int | None = None, why: str = "") -> None:
    """Echo a `wherry` command, run it, and print what it says: of long answers the first `show` lines."""
    print_command(arguments, why)
    done = subprocess.run(["wherry", *arguments], capture_output=True, text=True, check=False)
    *progress, summary = done.stderr.splitlines() or [""]
    print_lines(progress, 3)
    print_lines([summary] if summary else [], None)
    print_lines(done.stdout.splitlines(), show)
    if done.returncode != 0:
        sys.exit(f"demo: this command ended with exit code {done.returncode}")


def print_lines(lines: list[str], show: int | None) -> None:
    for line in lines[:show]:
        print(f"  {line}" if len(line) < WIDTH else f"  {line[: WIDTH - 1]}…")
    if show is not None and len(lines) > show:
        print(f"  {DIM}… and {len(lines) - show} more lines{PLAIN}")


def print_command(arguments: tuple[str, ...], why: str) -> None:
    """As a person would type it, a line for each argument where it gets long."""
    words = [shlex.quote(word) for word in ("wherry", *arguments)]
    if len(" ".join(words)) > WIDTH:
        options = next(number for number, word in enumerate(words) if "/" in word)
        words = [" ".join(words[:options]), *words[options:]]
        text = " \\\n      ".join(words)
    else:
        text = " ".join(words)
    if why:
        print(f"  {DIM}# {why}{PLAIN}")
    print(f"  {BOLD}$ {text}{PLAIN}", flush=True)


def say(text: str) -> None:
    print(f"\n{text}\n", flush=True)


@contextmanager
def registry(home: str) -> Iterator[str]:
    """`wherry serve` on a free port until the end; yields its `host:port`."""
    arguments = ("serve", "--listen", "127.0.0.1:0", "--ephemeral")
    print_command(arguments, "")
    with (Path(home) / "serve.log").open("ab") as log:
        # A session of its own: Ctrl-C reaches this program, which then ends the registry in order.
        process = subprocess.Popen(
            ["wherry", *arguments], stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        try:
            yield printed_address(process, Path(log.name))
        finally:
            process.terminate()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def printed_address(process: subprocess.Popen[str], log: Path) -> str:
    """The address in the URL that `wherry serve` prints when it is ready."""
    assert process.stdout is not None
    for line in process.stdout:
        print(f"  {line}", end="")
        if found := re.search(r"https?://([^/\s]+)", line):
            return found[1]
    sys.exit(f"demo: the registry ended before it was ready:\n{log.read_text()}")


async def push(built: list[Image], repository: str) -> None:
    """Blobs first, then the manifest that names them, under its tag."""
    reference = Reference.parse_repository(repository)
    async with Client() as client:
        store: Store = client.repository(reference)
        for image in built:
            for descriptor, content in image.blobs:
                await store.push(descriptor, pieces(content))
            await store.push_manifest(image.manifest, Tag(image.tag))
            print(f"  {image.manifest.digest}  {image.tag}")


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def compare(first: str, second: str) -> None:
    """Walk the image on both sides and compare what is there, by digest and byte for byte."""
    say("Is it the same? Every manifest, config and layer is read back from both sides:")
    async with Client() as client:
        references = [Reference.parse(each) for each in (first, second)]
        stores: list[Source] = [client.repository(each) for each in references]
        roots = [await store.resolve(reference.name) for store, reference in zip(stores, references, strict=True)]
        if roots[0] != roots[1]:
            sys.exit(f"demo: the digests differ: {roots[0].digest} and {roots[1].digest}")
        walked = [await walk(store, roots[0]) for store in stores]
    if walked[0] != walked[1]:
        sys.exit("demo: the copy is not the original")
    counts = {role: sum(each == role for each in walked[0].values()) for role in dict.fromkeys(walked[0].values())}
    same = sum(count for role, count in counts.items() if role != "foreign layer")
    print("  " + ", ".join(f"{count} {role}{'s'[: count > 1]}" for role, count in counts.items()))
    print(f"  {BOLD}all {same} digests are the same on both sides{PLAIN}; the root is {roots[0].digest}")
    print(f"  (the {counts['foreign layer']} foreign layers are in neither registry: their publisher has them)")


async def walk(store: Source, root: Descriptor) -> dict[Descriptor, str]:
    """Everything below a manifest, verified by reading it, with the role it has."""
    index = await store.manifest(root.digest)
    found = {root: "list"}
    for child in successors(index):
        manifest = await store.manifest(child.digest)
        found[child] = "manifest"
        for blob in successors(manifest):
            if is_foreign_layer(blob.media_type):
                found[blob] = "foreign layer"
                if await store.exists(blob):
                    sys.exit(f"demo: {blob.digest} should be in no registry")
                continue
            found[blob] = "config" if blob == manifest.view.config else "layer"
            async for _ in store.fetch(blob):
                pass  # reading is checking: a wrong byte raises
    return found


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
