"""Conditional requests: `If-None-Match` against the digest, which is the ETag of all content (RFC 9110, 13.1.2)."""

from wherry.server.request import Request

__all__ = ["matches_etag"]


def matches_etag(request: Request, digest: str) -> bool:
    """Whether the client has this content already."""
    header = request.header("if-none-match")
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return digest in tags or "*" in tags
