"""Refusals that depend on who asks say as whom that was, and how to ask as somebody else."""

from pyreqwest.http import Url

from wherry.oci.errors import Denied, NotFound, RegistryError, Unauthorized
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.authorisation import Authoriser
from wherry.stores.remote.reach import authority
from wherry.stores.remote.refusals import brief, refusal
from wherry.stores.remote.session import Request, exchange_of

__all__ = ["denial"]


async def denial(
    request: Request, answer: Answer, authoriser: Authoriser, registry: str, *, at_home: bool
) -> RegistryError:
    """The error that an answer to a request stands for; its body is read for that.

    Args:
        at_home: the registry itself has answered, and not where it has sent us.
    """
    error = await refusal(answer, exchange_of(request.method, answer.url), request.place, missing=request.missing)
    if not at_home and isinstance(error, Unauthorized | Denied):
        error.message = f"{request.place}: {authority(Url(answer.url))}, where the registry has sent us, refuses"
        error.hint = error.hint or "try again: the link may have run out; or somebody on the way keeps it from you"
    elif isinstance(error, Unauthorized) and authoriser.challenge is None:
        wanted = ", ".join(answer.headers("WWW-Authenticate"))
        reason = f"wherry cannot do what it wants: {brief(wanted)!r}" if wanted else "it does not say how to log in"
        error.message = f"{request.place}: not authorised{_said(error)} (asked anonymously: {reason})"
        error.hint = error.hint or "check the host name and the port; something else than the registry may answer there"
    elif isinstance(error, Unauthorized):
        who = await authoriser.who(request.scopes)
        error.message = f"{request.place}: not authorised{_said(error)} (asked {who})"
        is_known = await authoriser.credential(request.scopes) is not None
        error.hint = error.hint or _login_hint(registry, is_known=is_known)
    elif isinstance(error, NotFound):
        error.is_doubtful = request.method == "HEAD" and not _is_registrys(answer)
    elif isinstance(error, Denied):
        error.message += f" (asked {await authoriser.who(request.scopes)})"
    return error


def _said(error: RegistryError) -> str:
    words = brief(error.words or "")
    return f": {words}" if words else ""


def _login_hint(registry: str, *, is_known: bool) -> str:
    login = f"`wherry login {registry}`"
    if is_known:
        return f"check the name, and what that user may do; {login} changes the user"
    return f"check the name (many registries answer so for one that does not exist), or log in with {login}"


def _is_registrys(answer: Answer) -> bool:
    """Whether an answer without a body comes from a registry that understood the question."""
    content_type = answer.header("Content-Type") or ""
    return answer.header("Docker-Distribution-Api-Version") is not None or "json" in content_type.lower()
