"""Why a manifest is invalid, and what to do now."""

from dataclasses import dataclass

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`cause` is a stable name for programs; `problem` and `cure` are a sentence each, for people."""

    cause: str
    problem: str
    cure: str


def diagnose(body: bytes, content_type: str | None) -> Diagnosis | None:
    """What is wrong with a manifest that is about to be sent, or was; None if nothing is wrong in itself."""
    _ = body, content_type
    return None
