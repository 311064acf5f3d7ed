"""What is drawn while a copy runs, on a terminal: a pseudo-terminal here, so that the command sees one."""

import asyncio
import os
import pty
import re
import sys

from rich.progress import Progress

from tests.content import a_layer, an_image
from wherry.cli.transfer import _Drawing
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.ops.errand import Tally
from wherry.ops.progress import Dropped, Ended, Passed, Planned


async def on_a_terminal(*arguments: str, home: str, term: str = "xterm", columns: int = 100) -> tuple[int, bytes, str]:
    """Run the command with standard error on a pseudo-terminal; its exit code, its output, and what was drawn."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; from wherry.cli import main; sys.exit(main(sys.argv[1:]))", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=theirs,
        env={**os.environ, "DOCKER_CONFIG": home, "TERM": term, "COLUMNS": str(columns)},
    )  # fmt: skip
    os.close(theirs)
    drawn = await asyncio.to_thread(_read, ours)
    out, _ = await process.communicate()
    os.close(ours)
    return process.returncode or 0, out, drawn.decode()


def _read(terminal: int) -> bytes:
    """Everything until the other side is closed, which Linux tells as an error."""
    pieces = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:
        pass
    return b"".join(pieces)


async def test_bars_are_drawn_and_gone_at_the_end_and_the_summary_stays(registry, pushed, tmp_path) -> None:
    image = an_image(layers=(a_layer({"big": b"x" * 3_000_000}), a_layer({"small": b"y"})))
    source = await pushed(image, "team/app:1")
    code, out, drawn = await on_a_terminal("copy", source, f"oci:{tmp_path / 'layout'}", home=str(tmp_path))
    assert code == 0
    assert out.decode().strip() == f"oci:{tmp_path / 'layout'}:1@{image.digest}"
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn)
    assert plain.rstrip().endswith(f"{image.digest}: moved 3 blobs (3.0 MB), pushed 1 manifest")


async def test_narrow_terminal_has_a_line_for_each_blob_too(registry, pushed, tmp_path) -> None:
    source = await pushed(an_image(layers=(a_layer({"big": b"x" * 3_000_000}),)), "team/app:1")
    _, _, drawn = await on_a_terminal("copy", source, f"oci:{tmp_path / 'a'}", home=str(tmp_path), columns=24)
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", drawn))
    assert any(re.match(r"\d/2 blobs +\d+%", line) for line in lines)
    assert max(len(line) for line in lines if "sha256:" not in line) <= 24


async def test_terminal_that_cannot_move_back_gets_a_line_for_each_blob(registry, pushed, tmp_path) -> None:
    source = await pushed(an_image(), "team/app:1")
    _, _, drawn = await on_a_terminal("copy", source, f"oci:{tmp_path / 'a'}", home=str(tmp_path), term="dumb")
    assert [line.split()[0] for line in drawn.splitlines()] == ["moved", "moved", f"{an_image().digest}:"]


async def test_quiet_draws_nothing(registry, pushed, tmp_path) -> None:
    source = await pushed(an_image(), "team/app:1")
    code, _, drawn = await on_a_terminal("copy", "-q", source, f"oci:{tmp_path / 'layout'}", home=str(tmp_path))
    assert (code, drawn) == (0, "")


def test_bar_of_a_blob_that_is_given_up_goes_with_its_bytes() -> None:
    bars = Progress()
    drawing = _Drawing(bars)
    blob = Descriptor("application/octet-stream", Digest.of(b"blob"), 1_000_000)
    drawing.draw(Planned(Tally(1, 1_000_000), Tally(0, 0)))
    drawing.draw(Passed(blob, 600_000))
    drawing._flush()
    assert [task.completed for task in bars.tasks] == [600_000, 600_000]
    drawing.draw(Dropped(blob))
    assert [task.completed for task in bars.tasks] == [0]
    drawing.draw(Passed(blob, 1_000_000))
    drawing.draw(Ended(blob, mounted=False))
    drawing._flush()
    assert [task.completed for task in bars.tasks] == [1_000_000]


def test_what_the_bars_add_up_to() -> None:
    bars = Progress(disable=True)
    drawing = _Drawing(bars)
    big, small, near = (
        Descriptor("text/plain", Digest.of(bytes([n])), size) for n, size in enumerate((900_000, 10, 500))
    )
    drawing.draw(Planned(Tally.of([big, small, near]), Tally(2, 7)))
    for _ in range(9):
        drawing.draw(Passed(big, 100_000))
    drawing.draw(Passed(small, 10))
    drawing.draw(Ended(near, mounted=True))
    drawing._flush()
    whole, blob = bars.tasks
    assert (whole.completed, whole.total) == (900_010, 900_010)
    assert whole.description == "1/3 blobs, 2 skipped, 1 mounted"
    assert (blob.completed, blob.total) == (900_000, 900_000)
    drawing.draw(Ended(big, mounted=False))
    drawing.draw(Ended(small, mounted=False))
    drawing._flush()
    assert [task.description for task in bars.tasks] == ["3/3 blobs, 2 skipped, 1 mounted"]
