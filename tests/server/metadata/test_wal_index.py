"""What is kept in memory is dropped when anybody commits; and to look takes no lock away from SQLite."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from wherry.server.metadata.wal_index import WalIndex

COMMIT = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('INSERT INTO t VALUES (1)'); c.commit()"
LOCKS = Path("/proc/locks")


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "x.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (n)")
    yield path, connection
    connection.close()


def locks_of(path: Path) -> int:
    inode = str(path.stat().st_ino)
    return sum(
        line.split()[5].rpartition(":")[2] == inode for line in LOCKS.read_text().splitlines() if "->" not in line
    )


def test_it_changes_with_a_commit_of_another_process_and_with_nothing_else(database):
    path, connection = database
    index = WalIndex(path)
    seen = index.version()
    connection.execute("SELECT * FROM t").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (0)")
    connection.execute("ROLLBACK")
    assert index.version() == seen
    for _ in range(3):
        subprocess.run([sys.executable, "-c", COMMIT, path], check=True)
        assert index.version() != seen
        seen = index.version()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("INSERT INTO t VALUES (2)")
    assert index.version() != seen
    index.close()


@pytest.mark.skipif(not LOCKS.exists(), reason="the system does not show its locks")
def test_a_second_user_takes_no_lock_away_when_it_leaves(database):
    path, connection = database
    first, second = WalIndex(path), WalIndex(path)
    connection.execute("BEGIN IMMEDIATE")
    shared = Path(f"{path}-shm")
    held = locks_of(shared)
    assert held > 0
    second.close()
    assert locks_of(shared) == held
    connection.execute("COMMIT")
    first.close()
