"""What `wherry copy` says at its end: a line for people, an object for programs."""

from collections.abc import Iterable
from typing import Any

from wherry.cli.failures import hint_of, words_of
from wherry.cli.sizes import size
from wherry.ops.errand import Copied, Tally

__all__ = [
    "conversion",
    "error_document",
    "failure_document",
    "narrowing",
    "plan_line",
    "summary",
    "tally_document",
    "totals",
    "totals_document",
    "totals_summary",
    "what_was_copied",
]

_DONE = {"moved": "moved", "mounted": "mounted", "skipped": "skipped", "foreign": "left foreign"}
_TO_DO = {"moved": "move", "mounted": "mount", "skipped": "skip", "foreign": "leave foreign"}


def summary(copied: Copied) -> str:
    """What was done, in a line for people."""
    parts = _parts(_tallies(copied), copied.manifests, dry_run=False)
    if not _did_something(copied):
        parts.insert(0, "everything is there already")
        if copied.trusted:
            parts.append("blobs not looked at (--recheck does)")
    return f"{copied.root.digest}: {', '.join(parts)}"


def narrowing(copied: Copied) -> str | None:
    """That a copy is not all of what its source is; None if it is."""
    narrowed = copied.narrowed
    if narrowed is None or narrowed.kept == narrowed.of:
        return None
    which = f"{narrowed.kept} of {narrowed.of} platforms"
    if narrowed.original.digest == copied.root.digest:
        return f"{which} copied; the index is as it was, and the other{'s' if narrowed.of - narrowed.kept > 1 else ''} missing"
    return f"{which}: the digest is new, {copied.root.digest} instead of {narrowed.original.digest}"


def conversion(copied: Copied) -> str | None:
    """That a copy is another image than its source, in another format."""
    if copied.converted is None:
        return None
    return f"signed schema 1 converted: the digest is new, {copied.root.digest} instead of {copied.converted.digest}"


def what_was_copied(place: str, copied: Copied) -> dict[str, Any]:
    """The JSON form of one copy."""
    root = copied.root
    document: dict[str, Any] = {
        "reference": place,
        "mediaType": root.media_type,
        "digest": str(root.digest),
        "size": root.size,
        "tags": [str(tag) for tag in copied.tags],
        **{name: tally_document(tally) for name, tally in _tallies(copied).items()},
        "manifests": copied.manifests,
    }
    if copied.converted is not None:
        document["converted"] = {"from": str(copied.converted.digest), "mediaType": copied.converted.media_type}
    if copied.narrowed is not None:
        original = copied.narrowed.original
        document["narrowed"] = {
            "from": str(original.digest),
            "platforms": copied.narrowed.kept,
            "of": copied.narrowed.of,
        }
    return document


def failure_document(origin: str, place: str, error: Exception) -> dict[str, Any]:
    """The JSON form of a copy that failed."""
    return {"source": origin, "reference": place, **error_document(error)}


def error_document(error: Exception) -> dict[str, Any]:
    """The JSON form of what went wrong."""
    hint = hint_of(error)
    return {"error": words_of(error)} | ({"hint": hint} if hint else {})


def plan_line(origin: str, place: str, copied: Copied) -> str:
    """What a copy would do, in a line."""
    parts = _parts(_tallies(copied), copied.manifests, dry_run=True)
    return f"{origin} -> {place}: {', '.join(parts) if _did_something(copied) else 'is there already'}"


def totals(all_copied: Iterable[Copied]) -> dict[str, Tally]:
    """What many copies have done together."""
    sums = dict.fromkeys(_DONE, Tally())
    for copied in all_copied:
        for name, tally in _tallies(copied).items():
            sums[name] += tally
    return sums


def totals_summary(all_copied: list[Copied], failed: int, *, dry_run: bool = False) -> str:
    """The same, in a line for people."""
    manifests = sum(copied.manifests for copied in all_copied)
    done = sum(map(_did_something, all_copied))
    there = len(all_copied) - done
    parts = [f"{done} {'to copy' if dry_run else 'copied'}"]
    if there:
        parts.append(f"{there} there already")
    if failed:
        parts.append(f"{failed} failed")
    return f"{', '.join(parts)}: {', '.join(_parts(totals(all_copied), manifests, dry_run=dry_run)) or 'nothing moved'}"


def totals_document(all_copied: list[Copied], failed: int) -> dict[str, Any]:
    """The same, for programs."""
    return {
        "copies": len(all_copied),
        "failed": failed,
        **{name: tally_document(tally) for name, tally in totals(all_copied).items()},
        "manifests": sum(copied.manifests for copied in all_copied),
    }


def tally_document(tally: Tally) -> dict[str, int]:
    """How many blobs, and how many bytes."""
    return {"blobs": tally.blobs, "bytes": tally.bytes}


def _did_something(copied: Copied) -> bool:
    return bool(copied.manifests or copied.moved.blobs or copied.mounted.blobs)


def _tallies(copied: Copied) -> dict[str, Tally]:
    return {"moved": copied.moved, "mounted": copied.mounted, "skipped": copied.skipped, "foreign": copied.foreign}


def _parts(tallies: dict[str, Tally], manifests: int, *, dry_run: bool) -> list[str]:
    words = _TO_DO if dry_run else _DONE
    parts = [
        f"{words[name]} {tally.blobs} blob{'s' if tally.blobs != 1 else ''} ({size(tally.bytes)})"
        for name, tally in tallies.items()
        if tally.blobs
    ]
    if manifests:
        parts.append(f"{'push' if dry_run else 'pushed'} {manifests} manifest{'s' if manifests != 1 else ''}")
    return parts
