import asyncio
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.content import an_image
from wherry.oci.dockerdraft import DraftImage, Flattened, file_name
from wherry.oci.errors import StoreError
from wherry.oci.reference import Reference
from wherry.stores.drafts import Drafts, DraftUnknown

LIST = Reference.parse("h.example/team/app:multi")
FOLDER = "h.example_team_app-multi"
AMD64 = an_image()
ARM64 = an_image(platform="linux/arm64/v8")


def drafted(reference: str, content=AMD64) -> DraftImage:
    return DraftImage(reference, content.descriptor, content.manifest)


@pytest.fixture
def drafts(tmp_path: Path) -> Drafts:
    return Drafts(tmp_path / "docker")


def put(drafts: Drafts, *images: DraftImage, name: Reference = LIST) -> None:
    with drafts.change(name) as draft:
        for image in images:
            draft.put(image)


def files(drafts: Drafts) -> list[str]:
    return sorted(str(path.relative_to(drafts.folder)) for path in drafts.folder.rglob("*"))


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o500)
    yield folder
    folder.chmod(0o700)


def test_a_draft_is_a_folder_of_files_that_docker_names(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:amd64"), drafted("other/app@sha256:" + "0" * 64))
    assert files(drafts) == [
        FOLDER,
        f"{FOLDER}/h.example_team_app-amd64",
        f"{FOLDER}/other_app@sha256-{'0' * 64}",
    ]


def test_images_come_back_in_the_order_of_their_file_names(drafts: Drafts) -> None:
    images = [drafted(f"h.example/team/app:{tag}") for tag in ("b", "a", "a.1")]
    put(drafts, *images)
    assert [image.reference[-3:] for image in drafts.images(LIST)] == ["p:a", "a.1", "p:b"]
    assert drafts.image(LIST, Reference.parse("h.example/team/app:b")) == images[0]


def test_reading_needs_no_folder_and_makes_none(drafts: Drafts) -> None:
    with pytest.raises(DraftUnknown, match=r"^No such manifest: h\.example/team/app:multi$"):
        drafts.images(LIST)
    with pytest.raises(DraftUnknown, match=r"^No such manifest: h\.example/team/app:x$"):
        drafts.image(LIST, Reference.parse("h.example/team/app:x"))
    assert not drafts.exists(LIST)
    assert drafts.listed() == []
    assert not drafts.folder.parent.exists()


def test_an_empty_folder_is_an_empty_draft(drafts: Drafts) -> None:
    (drafts.folder / FOLDER).mkdir(parents=True)
    assert drafts.images(LIST) == ()
    assert drafts.exists(LIST)


def test_nothing_changes_when_the_change_fails(drafts: Drafts) -> None:
    def fail(name: Reference) -> None:
        with drafts.change(name) as draft:
            draft.put(drafted("h.example/team/app:arm64", ARM64))
            draft.drop(draft.images[0])
            raise RuntimeError

    put(drafts, drafted("h.example/team/app:amd64"))
    before = files(drafts)
    for name in (LIST, Reference.parse("h.example/new:1")):
        with pytest.raises(RuntimeError):
            fail(name)
        assert files(drafts) == before


def test_what_a_dead_process_has_left_is_cleared_away(drafts: Drafts) -> None:
    (drafts.folder / ".wherry-new").mkdir(parents=True)
    (drafts.folder / ".wherry-new" / "half").write_bytes(b"{")
    (drafts.folder / ".wherry-file").write_bytes(b"{")
    assert drafts.listed() == []
    put(drafts, drafted("h.example/team/app:amd64"))
    assert files(drafts) == [FOLDER, f"{FOLDER}/h.example_team_app-amd64"]


def test_unknown_files_in_a_draft_stay(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:amd64"))
    (drafts.folder / FOLDER / ".DS_Store").write_bytes(b"\0")
    put(drafts, drafted("h.example/team/app:arm64", ARM64))
    assert f"{FOLDER}/.DS_Store" in files(drafts)
    assert len(drafts.images(LIST)) == 2


def test_processes_that_change_a_draft_at_once_never_lose_an_image(drafts: Drafts) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.stores.test_drafts import LIST, drafted;"
        "from wherry.stores.drafts import Drafts\n"
        "for number in range(10):\n"
        "    with Drafts(Path(sys.argv[1])).change(LIST) as draft:\n"
        "        draft.put(drafted(f'h.example/team/app:{sys.argv[2]}-{number}'))\n"
    )
    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-c", program, str(drafts.folder.parent)]
    environment = os.environ | {"PYTHONPATH": str(root)}
    processes = [subprocess.Popen([*arguments, name], cwd=root, env=environment) for name in ("a", "b", "c")]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(drafts.images(LIST)) == 30


def test_a_damaged_file_is_named_and_the_draft_can_be_removed(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:amd64"))
    damaged = drafts.folder / FOLDER / "h.example_team_app-amd64"
    damaged.write_bytes(b"{not json")
    with pytest.raises(StoreError, match=r"h\.example_team_app-amd64 is damaged: ") as refusal:
        drafts.images(LIST)
    assert "manifest rm" in str(refusal.value.hint)
    with pytest.raises(StoreError, match="is damaged"):
        put(drafts, drafted("h.example/team/app:arm64", ARM64))
    drafts.remove(LIST)
    assert files(drafts) == []
    with pytest.raises(DraftUnknown):
        drafts.remove(LIST)


def test_a_file_where_a_draft_would_be_is_an_error_that_names_it(drafts: Drafts) -> None:
    drafts.folder.mkdir(parents=True)
    (drafts.folder / FOLDER).write_bytes(b"")
    with pytest.raises(StoreError, match=FOLDER):
        drafts.images(LIST)


def test_a_folder_that_cannot_be_written_is_named_with_a_way_out(read_only: Path) -> None:
    drafts = Drafts(read_only)
    with pytest.raises(StoreError, match=str(read_only)) as refusal:
        put(drafts, drafted("h.example/team/app:amd64"))
    assert "DOCKER_CONFIG" in str(refusal.value.hint)


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifests").write_bytes(b"")
    with pytest.raises(StoreError, match="manifests"):
        put(Drafts(tmp_path), drafted("h.example/team/app:amd64"))


def test_lists_that_docker_would_keep_in_one_folder_are_told_apart(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:amd64"))
    same = Reference.parse("h.example/team_app:multi")
    assert not drafts.exists(same)
    for attempt in (drafts.images, lambda name: put(drafts, drafted("x/y:1"), name=name)):
        with pytest.raises(StoreError, match=r"the draft of h\.example/team/app:multi stands where that of"):
            attempt(same)
    with pytest.raises(DraftUnknown):
        drafts.remove(same)
    assert len(drafts.images(LIST)) == 1


def test_a_folder_that_docker_made_anew_is_taken_at_its_word(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:amd64"))
    old = drafts.folder / FOLDER
    old.rename(drafts.folder / "aside")  # keeps the inode in use
    old.mkdir()
    assert drafts.images(Reference.parse("h.example/team_app:multi")) == ()


def test_images_that_docker_would_keep_in_one_file_are_told_apart(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:1"))
    with pytest.raises(StoreError, match="have the same file in docker's drafts"):
        put(drafts, drafted("h.example/team_app:1"))
    with pytest.raises(DraftUnknown):
        drafts.image(LIST, Reference.parse("h.example/team_app:1"))


def test_a_name_that_no_file_can_have_is_an_error(drafts: Drafts) -> None:
    long = Reference.parse("h.example/" + "a/" * 110 + "a:" + "t" * 128)
    with pytest.raises(StoreError, match="too long"):
        put(drafts, drafted("h.example/team/app:1"), name=long)


def test_drafts_are_listed_by_the_names_that_wherry_notes(drafts: Drafts) -> None:
    second = Reference.parse("a.example/x_y:1-2")
    put(drafts, drafted("h.example/team/app:amd64"))
    put(drafts, drafted("h.example/team/app:amd64"), name=second)
    assert [(each.name, each.folder.name) for each in drafts.listed()] == [
        (str(second), "a.example_x_y-1-2"),
        (str(LIST), FOLDER),
    ]


def by_docker(drafts: Drafts, folder: str, *references: str) -> Path:
    """A draft as docker makes it: files in a folder, and nothing else."""
    made = drafts.folder / folder
    made.mkdir(parents=True)
    for reference in references:
        (made / file_name(reference)).write_bytes(drafted(reference).encode())
    return made


@pytest.mark.parametrize(
    ("folder", "reference", "name", "likely"),
    [
        ("h.io_c-1", "h.io/d:1", "h.io/c:1", None),
        ("h.io-5000_c-v1.0_1", "h.io:5000/c:1", "h.io:5000/c:v1.0_1", None),
        ("h.io_a_b-1", "h.io/a/b:x", None, "h.io/a/b:1"),  # or h.io/a_b:1
        ("h.io_a-1-2", "h.io/a:x", None, "h.io/a:1-2"),  # or h.io/a-1:2
        ("h.io_team-app_x-1", "h.io/team:amd64", None, "h.io/team:app_x-1"),  # it was h.io/team-app/x:1
        ("docker.io_library_a-1", "docker.io/library/a:x", None, "docker.io/library/a:1"),
        ("h.io_a_b-1", "other.io/a/b:x", None, None),
        ("h.io_C-1", "h.io/d:1", None, None),
    ],
)
def test_the_name_of_a_draft_of_dockers_is_told_where_it_can_be_no_other(
    drafts: Drafts, folder: str, reference: str, name: str | None, likely: str | None
) -> None:
    by_docker(drafts, folder, reference)
    assert [(each.name, each.likely) for each in drafts.listed()] == [(name, likely)]


def test_a_folder_that_docker_made_anew_with_the_same_inode_is_taken_at_its_word(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:amd64"))
    folder = drafts.folder / FOLDER
    note = drafts.folder.parent / "wherry" / "names" / FOLDER
    os.utime(note, ns=(0, folder.stat().st_mtime_ns - 1))  # all that is there is younger than the note
    same = Reference.parse("h.example/team_app:multi")
    assert len(drafts.images(same)) == 1
    assert [(each.name, each.likely) for each in drafts.listed()] == [(None, "h.example/team/app:multi")]


def test_what_docker_adds_or_annotates_leaves_the_name_known(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:1"), drafted("h.example/team/app:2"))
    folder = drafts.folder / FOLDER
    later = folder.stat().st_mtime_ns + 10**9
    os.utime(folder / "h.example_team_app-1", ns=(later, later))
    os.utime(folder, ns=(later, later))
    assert [each.name for each in drafts.listed()] == [str(LIST)]
    for each in (folder, *folder.iterdir()):
        os.utime(each, ns=(later, later))
    assert [each.name for each in drafts.listed()] == [None]


def test_every_change_keeps_the_name_known(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:1"))
    for content in (ARM64, AMD64):
        put(drafts, drafted("h.example/team/app:1", content))
        assert [each.name for each in drafts.listed()] == [str(LIST)]


def test_a_draft_of_dockers_that_was_changed_here_is_told_apart_from_then_on(drafts: Drafts) -> None:
    by_docker(drafts, FOLDER, "h.example/team/app:1")
    same = Reference.parse("h.example/team_app:multi")
    assert len(drafts.images(same)) == 1, "of what only docker has touched nobody can tell"
    put(drafts, drafted("h.example/team/app:2"))
    assert [each.name for each in drafts.listed()] == [str(LIST)]
    with pytest.raises(StoreError, match=r"the draft of h\.example/team/app:multi stands where that of"):
        drafts.images(same)


def test_what_is_noted_of_images_is_not_believed_of_a_draft_that_docker_made_anew(drafts: Drafts) -> None:
    put(
        drafts, msgspec.structs.replace(drafted("h.example/team/app:1"), flattened=Flattened("h.example/team/app:i", 0))
    )
    file = drafts.folder / FOLDER / "h.example_team_app-1"
    file.write_bytes(drafted("h.example/team/app:1").encode())  # as docker's annotate leaves it
    assert drafts.images(LIST)[0].flattened is not None
    (drafts.folder.parent / "wherry" / "names" / FOLDER).unlink()  # nobody knows whose the folder is
    assert drafts.images(LIST)[0].flattened is None
    assert drafts.image(LIST, Reference.parse("h.example/team/app:1")).flattened is None


def test_a_draft_that_cannot_be_noted_is_not_made(drafts: Drafts) -> None:
    names = drafts.folder.parent / "wherry" / "names"
    names.parent.mkdir(parents=True)
    names.write_bytes(b"")
    with pytest.raises(StoreError, match="names"):
        put(drafts, drafted("h.example/team/app:1"))
    assert files(drafts) == []
    made = by_docker(drafts, FOLDER, "h.example/team/app:1")
    before = {each.name: each.read_bytes() for each in made.iterdir()}
    with pytest.raises(StoreError, match="names"):
        put(drafts, drafted("h.example/team/app:2"))
    assert {each.name: each.read_bytes() for each in made.iterdir()} == before
    assert [each.name for each in drafts.folder.iterdir()] == [FOLDER]


def test_nothing_is_noted_of_a_draft_that_was_not_made(drafts: Drafts) -> None:
    images = drafts.folder.parent / "wherry" / "images"
    images.parent.mkdir(parents=True)
    images.write_bytes(b"")
    with pytest.raises(StoreError, match="images"):
        put(drafts, drafted("h.example/team/app:1"))
    assert (files(drafts), list((images.parent / "names").iterdir())) == ([], [])


@pytest.fixture
def short_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wherry.stores._draft_lock._MOMENT", 0.02)


@contextmanager
def locked(drafts: Drafts) -> Iterator[None]:
    """Somebody else changes drafts."""
    ours = drafts.folder.parent / "wherry"
    ours.mkdir(parents=True, exist_ok=True)
    with (ours / "drafts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("short_moment")
async def test_who_waits_for_others_in_an_event_loop_can_be_cancelled(drafts: Drafts) -> None:
    waiting = asyncio.Event()

    async def change() -> None:
        async with Drafts(drafts.folder.parent, waiting=waiting.set).change_in_turn(LIST) as draft:
            draft.put(drafted("h.example/team/app:1"))

    with locked(drafts):
        task = asyncio.create_task(change())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        task = asyncio.create_task(change())
        waiting.clear()
        await waiting.wait()
        assert not drafts.exists(LIST)
    await task
    assert len(drafts.images(LIST)) == 1


@pytest.mark.usefixtures("short_moment")
def test_who_waits_for_others_is_told_once(drafts: Drafts) -> None:
    told = []
    with ExitStack() as other:
        other.enter_context(locked(drafts))
        put(Drafts(drafts.folder.parent, waiting=lambda: (told.append(1), other.close())), drafted("h.example/a:1"))
    assert told == [1]
    assert len(drafts.images(LIST)) == 1


def test_a_listed_draft_can_be_removed_whatever_its_name(drafts: Drafts) -> None:
    (drafts.folder / "h_c-1").mkdir(parents=True)
    (drafts.folder / "h_c-1" / "file").write_bytes(b"damaged")
    [listed] = drafts.listed()
    with pytest.raises(StoreError, match="is damaged"):
        listed.images()
    drafts.remove_listed(listed)
    drafts.remove_listed(listed)
    assert drafts.listed() == []


def test_files_are_replaced_whole(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:amd64"))
    file = drafts.folder / FOLDER / "h.example_team_app-amd64"
    inode = file.stat().st_ino
    with file.open("rb") as reader:
        put(drafts, drafted("h.example/team/app:amd64", ARM64))
        assert json.loads(reader.read())["Descriptor"]["digest"] == str(AMD64.digest), (
            "a reader sees the old or the new"
        )
    assert json.loads(file.read_bytes())["Descriptor"]["digest"] == str(ARM64.digest)
    assert file.stat().st_ino != inode


def test_a_draft_is_removed_only_as_it_was_read(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:amd64"))
    read = drafts.images(LIST)
    put(drafts, drafted("h.example/team/app:arm64", ARM64))
    assert not drafts.remove_unchanged(LIST, read)
    assert len(drafts.images(LIST)) == 2
    assert drafts.remove_unchanged(LIST, drafts.images(LIST))
    assert not drafts.exists(LIST)
    assert drafts.remove_unchanged(LIST, read), "somebody else has removed it"


def test_a_draft_with_a_folder_in_it_is_damaged_and_can_be_removed(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:amd64"))
    inside = drafts.folder / FOLDER / "sub"
    (inside / "deeper").mkdir(parents=True)
    (inside / "deeper" / "file").write_bytes(b"{")
    with pytest.raises(StoreError, match=r"app-multi/sub is damaged: not a file") as refusal:
        drafts.images(LIST)
    assert "manifest rm" in str(refusal.value.hint)
    drafts.remove(LIST)
    assert files(drafts) == []
    put(drafts, drafted("h.example/team/app:amd64"))
    assert len(drafts.images(LIST)) == 1


def test_a_folder_that_a_dead_process_left_with_folders_in_it_blocks_nobody(drafts: Drafts) -> None:
    (drafts.folder / ".wherry-old" / "sub").mkdir(parents=True)
    put(drafts, drafted("h.example/team/app:amd64"))
    assert files(drafts) == [FOLDER, f"{FOLDER}/h.example_team_app-amd64"]


def test_what_cannot_be_cleared_away_blocks_nobody_and_a_draft_that_cannot_be_removed_stays(drafts: Drafts) -> None:
    if os.geteuid() == 0:
        pytest.skip("root removes everything")
    put(drafts, drafted("h.example/team/app:amd64"))
    left, inside = drafts.folder / ".wherry-old", drafts.folder / FOLDER / "sub"
    for each in (left, inside):
        each.mkdir()
        (each / "file").write_bytes(b"{")
        each.chmod(0o500)
    try:
        with pytest.raises(StoreError, match=rf"^draft .*{FOLDER} cannot be removed: .*{FOLDER}/sub/file: Permission"):
            drafts.remove(LIST)
        assert drafts.exists(LIST)
        put(drafts, drafted("h.example/team/app:amd64"), name=Reference.parse("h.example/other:1"))
        assert len(drafts.images(Reference.parse("h.example/other:1"))) == 1
    finally:
        for each in (left, inside):
            each.chmod(0o700)


def test_links_in_a_draft_are_removed_and_not_what_they_lead_to(drafts: Drafts, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_bytes(b"")
    put(drafts, drafted("h.example/team/app:amd64"))
    (drafts.folder / FOLDER / "link").symlink_to(kept)
    drafts.remove(LIST)
    (drafts.folder / FOLDER).symlink_to(kept)
    drafts.remove(LIST)
    (drafts.folder / FOLDER).symlink_to(tmp_path / "nowhere")
    drafts.remove(LIST)
    assert files(drafts) == []
    assert (kept / "file").exists()


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("damage", [a_link_to_nothing, os.mkfifo, Path.mkdir])
def test_what_is_no_file_is_damage_of_one_draft_and_hides_no_other(
    drafts: Drafts, damage: Callable[[Path], None]
) -> None:
    other = Reference.parse("h.example/other:1")
    for name in (LIST, other):
        put(drafts, drafted("h.example/team/app:amd64"), name=name)
    damage(drafts.folder / FOLDER / "h.example_team_app-odd")
    assert [each.name for each in drafts.listed()] == [str(other), str(LIST)]
    for attempt in (drafts.listed()[1].images, lambda: drafts.images(LIST)):
        with pytest.raises(StoreError, match=rf"^draft .*{FOLDER}/h.example_team_app-odd is damaged: not a file$"):
            attempt()
    with pytest.raises(StoreError, match="is damaged"):
        drafts.image(LIST, Reference.parse("h.example/team/app:odd"))


def test_a_draft_that_is_gone_since_it_was_listed_has_no_images(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:amd64"))
    [listed] = drafts.listed()
    drafts.remove(LIST)
    assert listed.images() == ()


@pytest.mark.parametrize("damage", [b"", b"{not json", b'{"x": 1}', b'{"inode": 1, "images": {}}'])
def test_notes_that_are_damaged_are_none(drafts: Drafts, damage: bytes) -> None:
    put(drafts, drafted("h.example/team/app:1"))
    before = drafts.images(LIST)
    note = drafts.folder.parent / "wherry" / "images" / FOLDER
    assert note.read_bytes() != damage
    note.write_bytes(damage)
    assert drafts.images(LIST) == before
    drafts.remove(LIST)
    assert not note.exists()


def test_notes_that_mean_nothing_are_none(drafts: Drafts) -> None:
    put(drafts, drafted("h.example/team/app:1"))
    before = drafts.images(LIST)
    note = drafts.folder.parent / "wherry" / "images" / FOLDER
    document = json.loads(note.read_bytes())
    document["images"]["h.example_team_app-1"]["descriptor"].pop("digest")
    note.write_text(json.dumps(document))
    assert drafts.images(LIST) == before
