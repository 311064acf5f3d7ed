"""Registries that have much in them, made without pushing it all: only one image is pushed, and then it is multiplied where it is kept.

Ours: rows are copied in its database, whatever columns they have. Distribution: its folders are made, as it would make them.
Of zot's database we know too little; it is left out wherever it would have to be filled by hundreds of thousands of requests.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from bench.registries import Kind

TEMPLATE = "bench/template"
TAG = "1"


def knows(kind: Kind) -> bool:
    """Whether `repositories` and `tags` can be used on a registry of that kind."""
    return kind.program.name in ("wherry", "registry", "docker-registry")


def repositories(kind: Kind, folder: Path, names: Iterable[str]) -> None:
    """Make new repositories: in ours with what `TEMPLATE` has, a manifest and a tag; in distribution, whose list of repositories
    is that of its folders, empty ones. The registry does not run meanwhile.
    """
    if kind.program.name == "wherry":
        with closing(_database(folder)) as database, database:
            _copy_repositories(database, names)
        return
    root = _root(folder) / "repositories"
    for name in names:
        for each in ("_manifests", "_layers"):
            (root / name / each).mkdir(parents=True)


def tags(kind: Kind, folder: Path, names: Iterable[str]) -> None:
    """Point many tags of `TEMPLATE` at what `TAG` points at. The registry does not run meanwhile."""
    if kind.program.name == "wherry":
        with closing(_database(folder)) as database, database:
            _copy_tags(database, names)
        return
    folder = _root(folder) / "repositories" / TEMPLATE / "_manifests" / "tags"
    links = [each.relative_to(folder / TAG) for each in (folder / TAG).glob("**/link")]
    content = (folder / TAG / "current" / "link").read_bytes()
    for name in names:
        for each in links:
            path = folder / name / each
            path.parent.mkdir(parents=True)
            path.write_bytes(content)


def garbage(folder: Path, count: int) -> None:
    """Ours alone: so many blobs with their bytes, held by no repository, and due to be collected."""
    contents = [os.urandom(1000) for _ in range(count)]
    digests = [sha256(content).digest() for content in contents]
    for digest, content in zip(digests, contents, strict=True):
        path = folder / "data" / "blobs" / "sha256" / digest.hex()[:2] / digest.hex()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with closing(_database(folder)) as database, database:
        packed = [(b"\x01" + digest,) for digest in digests]
        database.executemany("INSERT INTO blobs (digest, size, stored) VALUES (?, 1000, 0)", packed)
        database.executemany("INSERT INTO reviews (kind, repository_id, digest, due) VALUES ('blob', 0, ?, 0)", packed)
        database.execute("DELETE FROM jobs")  # the collection is still the turn of the process that has just ended


def garbage_left(folder: Path) -> int:
    """How many of these are still there."""
    with closing(_database(folder)) as database:
        ((count,),) = database.execute("SELECT count(*) FROM blobs WHERE stored = 0")
    return int(count)


def _root(folder: Path) -> Path:
    return folder / "data" / "docker" / "registry" / "v2"


def _database(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "data" / "registry.sqlite")


def _copy_repositories(database: sqlite3.Connection, names: Iterable[str]) -> None:
    ((template,),) = database.execute("SELECT id FROM repositories WHERE name = ?", (TEMPLATE,))
    others = _columns(database, "repositories", "id", "name")
    database.executemany(
        f"INSERT INTO repositories (name, {others}) SELECT ?, {others} FROM repositories WHERE id = {template}",
        ((name,) for name in names),
    )
    others = _columns(database, "manifests", "id", "repository_id")
    database.execute(
        f"INSERT INTO manifests (repository_id, {others}) SELECT repositories.id, {_of('manifests', others)} "
        f"FROM manifests, repositories WHERE repository_id = {template} AND repositories.id != {template}"
    )
    others = _columns(database, "tags", "repository_id", "manifest_id")
    database.execute(
        f"INSERT INTO tags (repository_id, manifest_id, {others}) "
        f"SELECT manifests.repository_id, manifests.id, {_of('tags', others)} "
        f"FROM tags, manifests WHERE tags.repository_id = {template} AND manifests.repository_id != {template}"
    )


def _copy_tags(database: sqlite3.Connection, names: Iterable[str]) -> None:
    others = _columns(database, "tags", "name")
    database.executemany(
        f"INSERT INTO tags (name, {others}) SELECT ?, {others} FROM tags WHERE name = '{TAG}'",
        ((name,) for name in names),
    )


def _columns(database: sqlite3.Connection, table: str, *without: str) -> str:
    def names() -> Iterator[str]:
        for _, name, *_ in database.execute(f"PRAGMA table_info({table})"):
            if name not in without:
                yield name

    return ", ".join(names())


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column}" for column in columns.split(", "))
