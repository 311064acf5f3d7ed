"""What every answer of the registry has, whatever was asked; and what its folder may have in it."""

import re
from pathlib import Path

from tests.server.asking import Answer

OUTSIDE = b"nothing of this is the registry's"
"""The content of a file beside its folder."""

ERROR = {"code", "message", "detail"}


def well_formed(answer: Answer, method: str) -> None:
    """Never an error of the server's; the headers that all answers have; an error body that programs can read."""
    assert 200 <= answer.status < 500, answer
    assert OUTSIDE not in answer.body
    assert answer.values("docker-distribution-api-version") == ["registry/2.0"], answer
    if answer.status in (204, 304):
        assert answer.body == b""
        return
    (length,) = answer.values("content-length")
    if method == "HEAD":
        assert answer.body == b""
        return
    assert len(answer.body) == int(length)
    if answer.status < 400:
        return
    assert answer.header("content-type") == "application/json"
    assert list(answer.json) == ["errors"]
    assert answer.json["errors"]
    for error in answer.json["errors"]:
        assert error.keys() <= ERROR
        assert error["code"] == error["code"].upper() != ""
        assert error["message"]


_FILES = re.compile(
    r"registry\.sqlite(-wal|-shm)?|lock"
    r"|blobs/sha256/[0-9a-f]{2}/[0-9a-f]{64}|blobs/sha512/[0-9a-f]{2}/[0-9a-f]{128}"
    r"|uploads/[0-9a-f]{8}-[0-9a-f-]{27}"
)


def only_what_belongs_there(folder: Path) -> None:
    """Every file of a registry's folder bears a name that the registry has made."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()]
    assert [name for name in names if not _FILES.fullmatch(name)] == []
