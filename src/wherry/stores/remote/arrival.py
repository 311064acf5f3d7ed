"""The first request to a registry, `GET /v2/`: which way it can be reached, and what it wants to see of who asks.

It costs one round trip for each registry and process, and saves the refusal that the first real request would meet
where authorisation is asked for. Spec: distribution-spec 1.1, "Determining Support".
"""

from collections.abc import Mapping
from types import MappingProxyType

from wherry.oci.errors import PlainHTTP, TimedOut, TLSFailed, Unreachable
from wherry.oci.wire.challenge import Challenge, read_challenges
from wherry.stores.remote.failures import ClosedEarly, NotHTTP, NotTLS, Refused
from wherry.stores.remote.reach import Policy, Way, is_loopback
from wherry.stores.remote.transport import Answer, Transport

__all__ = ["arrive"]

_BAD_REQUEST = 400
_NONE: Mapping[str, str] = MappingProxyType({})


async def arrive(registry: str, transport: Transport, policy: Policy) -> tuple[Way, tuple[Challenge, ...]]:
    """Find the way to a registry, trying those that the policy allows, and the challenges that it greets us with.

    Raises:
        Unreachable: no allowed way leads there.
    """
    ways = policy.ways(registry)
    failure: Unreachable | None = None
    doubtful: Way | None = None
    for way in ways:
        try:
            answer = await _ping(registry, transport, way)
        except Unreachable as error:
            failure = failure or error
            if not _is_worth_another(error, way):
                break
            continue
        try:
            if way.is_plain and way != ways[-1] and _wants_tls(answer):
                doubtful = way
                continue
            return way, read_challenges(answer.headers("WWW-Authenticate"))
        finally:
            await answer.close()
    if doubtful is not None:
        return doubtful, ()
    if isinstance(failure, NotTLS):
        raise await _explained(failure, registry, transport, ways[-1])
    assert failure is not None  # noqa: S101  # there is at least one way, and each returned, was doubtful or failed
    raise failure


async def _ping(registry: str, transport: Transport, way: Way) -> Answer:
    return await transport.send(
        "GET", f"{way.origin}/v2/", _NONE, None, place=registry, verify=way.verify, direct=is_loopback(registry)
    )


def _is_worth_another(error: Unreachable, way: Way) -> bool:
    """Whether the failure may come from the scheme alone."""
    if way.is_plain:
        return isinstance(error, ClosedEarly | NotHTTP)
    no_port = way.origin.rpartition(":")[2].rpartition("]")[2].isdecimal() is False
    return isinstance(error, TLSFailed | TimedOut | ClosedEarly) or (isinstance(error, Refused) and no_port)


def _wants_tls(answer: Answer) -> bool:
    """Whether this is how servers answer plain HTTP on a TLS port: 400, and no sign of a registry."""
    return answer.status == _BAD_REQUEST and not answer.header("Docker-Distribution-Api-Version")


async def _explained(failure: NotTLS, registry: str, transport: Transport, way: Way) -> Unreachable:
    """Tell a registry that speaks plain HTTP from something that is neither."""
    if way.is_plain:
        return failure
    plain = Way(way.origin.replace("https://", "http://", 1), verify=True)
    try:
        answer = await _ping(registry, transport, plain)
    except Unreachable:
        return failure
    await answer.close()
    return PlainHTTP(
        f"{registry}: the registry speaks plain HTTP, not HTTPS",
        registry=registry,
        hint="if you trust the network in between, use --insecure",
    )
