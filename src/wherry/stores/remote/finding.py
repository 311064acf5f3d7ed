"""What an examination finds: a step, whether it is well, and what to do if it is not."""

from typing import Any, Literal

from msgspec import Struct, field

from wherry.oci.errors import Denied, TimedOut, Unavailable, WherryError

__all__ = ["Finding", "State"]

State = Literal["ok", "note", "unknown", "broken"]


class Finding(Struct, frozen=True):
    """`about` is the step; `text` says what was found, `hint` what to do about what is broken, `facts` the same to programs."""

    about: str
    state: State
    text: str
    hint: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def failure(cls, about: str, error: WherryError, **facts: Any) -> "Finding":
        return cls(about, "broken", str(error), error.hint or _next_step(error), facts)


def _next_step(error: WherryError) -> str:
    """What to do about an error that does not know it."""
    if isinstance(error, Unavailable | TimedOut):
        return "try again later; who runs the registry sees more in its log"
    if isinstance(error, Denied):
        return "another user may be allowed to (`wherry login`), or whoever runs the registry can allow it"
    return "show this line to who runs the registry"
