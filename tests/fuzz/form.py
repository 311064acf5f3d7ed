"""What every answer of the registry has, whatever was asked."""

from tests.server.asking import Answer

ERROR = {"code", "message", "detail"}


def well_formed(answer: Answer, method: str) -> None:
    """Never an error of the server's; the headers that all answers have; an error body that programs can read."""
    assert 200 <= answer.status < 500, answer
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
