"""One line of JSON for each request, with nothing secret in it.

Neither `Authorization` nor cookies are looked at. Of the query only the parameters of the specification are shown; of an
upload's identifier only the start, because whoever knows all of it can go on with the upload.
"""

import re
import sys
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote
from uuid import uuid4

import msgspec

from wherry.oci.errors import StoreError
from wherry.server.request import Request
from wherry.server.traffic import Number, Traffic

__all__ = ["AccessLog", "open_access_log", "shown_path"]

_SHOWN = {"n", "last", "digest", "mount", "from", "tag", "artifactType", "digest-algorithm", "ns"}
_UPLOAD = re.compile(r"(/blobs/uploads/+[^/]{8})[^/]+")
_OF_A_CLIENT = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_PATH, _LONGEST_AGENT = 1000, 200


class AccessLog:
    """Writes the lines. A line that cannot be written is counted, and nothing else happens."""

    def __init__(self, file: FileIO, traffic: Traffic) -> None:
        import structlog  # noqa: PLC0415  # 138 ms, which a server without an access log does not pay

        self._traffic = traffic
        self._logger: Any = structlog.wrap_logger(
            structlog.BytesLogger(file),
            processors=[structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"), _rendered],
            wrapper_class=structlog.make_filtering_bound_logger(0),
            cache_logger_on_first_use=True,
        ).bind()

    def write(self, request: Request, identifier: str, status: int, sent: int, seconds: float) -> None:
        """Write a line; `identifier` is the request's."""
        try:
            self._logger.info(
                "request",
                request_id=identifier,
                client=request.client.rpartition(":")[0],
                method=request.method,
                path=shown_path(request.path, request.query_string),
                status=status,
                received=request.received,
                sent=sent,
                seconds=round(seconds, 6),
                user_agent=(request.header("user-agent") or "")[:_LONGEST_AGENT],
            )
        except OSError:
            self._traffic.add(Number.LOST_LINES)

    @staticmethod
    def identify(request: Request) -> str:
        """The client's own `X-Request-Id`, if it is a sensible one; else a new one."""
        given = request.header("x-request-id")
        return given if given is not None and _OF_A_CLIENT.fullmatch(given) else uuid4().hex


def open_access_log(place: str) -> FileIO | None:
    """`off`, `stderr`, or the path of a file to append to.

    Raises:
        StoreError: the file cannot be opened.
    """
    if place == "off":
        return None
    if place == "stderr":
        return FileIO(sys.stderr.fileno(), "ab", closefd=False)
    try:
        return FileIO(Path(place), "ab")
    except OSError as error:
        raise StoreError(f"{place} cannot be used as the access log: {error.strerror}") from error


def shown_path(path: str, query: str) -> str:
    """A path and its query as the log has them."""
    shown = _UPLOAD.sub(r"\1…", path)[:_LONGEST_PATH]
    if query:
        pairs = parse_qsl(query[:_LONGEST_PATH], keep_blank_values=True)
        shown += "?" + "&".join(f"{quote(name, safe='')}={_shown(name, value)}" for name, value in pairs)
    return shown


def _shown(name: str, value: str) -> str:
    return quote(value, safe=":/+") if name in _SHOWN else "…"


def _rendered(_logger: Any, _method: str, line: Any) -> bytes:
    line.pop("event")
    return msgspec.json.encode(line)
