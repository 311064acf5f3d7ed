"""Conditional requests; the ETag of all content is its digest (RFC 9110, 13.1)."""

from wherry.server.request import Request

__all__ = ["asked_range", "matches_etag"]


def matches_etag(request: Request, digest: str) -> bool:
    """Whether the client has this content already."""
    header = request.header("if-none-match")
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return digest in tags or "*" in tags


def asked_range(request: Request, digest: str) -> str | None:
    """The `Range` header, unless `If-Range` says that it is meant for other content; then all is sent."""
    condition = request.header("if-range")
    if condition is not None and condition.strip() != f'"{digest}"':
        return None
    return request.header("range")
