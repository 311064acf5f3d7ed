"""The first request to a registry, `GET /v2/`: which way it can be reached, and what it wants to see of who asks.

It costs one round trip for each registry and process, and saves the refusal that the first real request would meet
where authorisation is asked for. Spec: distribution-spec 1.1, "Determining Support".
"""

from wherry.oci.errors import PlainHTTP, TimedOut, TLSFailed, Unreachable
from wherry.oci.wire.challenge import Challenge
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.failures import ClosedEarly, NotHTTP, NotTLS, ProxyRefused, Refused
from wherry.stores.remote.hosts import Host
from wherry.stores.remote.reach import Policy, Way
from wherry.stores.remote.transport import Transport
from wherry.stores.remote.trust import SYSTEM

__all__ = ["arrive"]

_BAD_REQUEST = 400


async def arrive(registry: str, transport: Transport, policy: Policy, host: Host) -> tuple[Way, tuple[Challenge, ...]]:
    """Find the way to a registry's host, trying those that the policy allows, and the challenges that it greets us with.

    Raises:
        Unreachable: no allowed way leads there.
    """
    ways = policy.ways(host.name, scheme=host.scheme, insecure=host.insecure, known=host.trust != SYSTEM)
    failure: Unreachable | None = None
    doubtful: Way | None = None
    for way in ways:
        try:
            answer = await _ping(registry, transport, way, host)
        except Unreachable as error:
            failure = failure or error
            if not _is_worth_another(error, way):
                break
            continue
        try:
            if way.is_plain and way != ways[-1] and _wants_tls(answer):
                doubtful = way
                continue
            return way, answer.challenges
        finally:
            await answer.close()
    if doubtful is not None:
        return doubtful, ()
    if isinstance(failure, NotTLS):
        raise await _explained(failure, registry, transport, ways[-1], host)
    assert failure is not None  # noqa: S101  # there is at least one way, and each returned, was doubtful or failed
    raise failure


async def _ping(registry: str, transport: Transport, way: Way, host: Host) -> Answer:
    headers, trust = dict(host.headers), host.trust
    return await transport.send(
        "GET", f"{way.origin}{host.api}/", headers, None, place=registry, verify=way.verify, trust=trust
    )


def _is_worth_another(error: Unreachable, way: Way) -> bool:
    """Whether the failure may come from the scheme alone."""
    if way.is_plain:
        return isinstance(error, ClosedEarly | NotHTTP)
    if isinstance(error, ProxyRefused):  # many let nobody through but to port 443, and ask themselves in plain HTTP
        return True
    no_port = way.origin.rpartition(":")[2].rpartition("]")[2].isdecimal() is False
    return isinstance(error, TLSFailed | TimedOut | ClosedEarly) or (isinstance(error, Refused) and no_port)


def _wants_tls(answer: Answer) -> bool:
    """Whether this is how servers answer plain HTTP on a TLS port: 400, and no sign of a registry."""
    return answer.status == _BAD_REQUEST and not answer.header("Docker-Distribution-Api-Version")


async def _explained(failure: NotTLS, registry: str, transport: Transport, way: Way, host: Host) -> Unreachable:
    """Tell a registry that speaks plain HTTP from something that is neither."""
    if way.is_plain:
        return failure
    plain = Way(way.origin.replace("https://", "http://", 1), verify=True)
    try:
        answer = await _ping(registry, transport, plain, host)
    except Unreachable:
        return failure
    await answer.close()
    return PlainHTTP(
        f"{registry}: the registry speaks plain HTTP, not HTTPS",
        registry=registry,
        hint="if you trust the network in between, use --insecure",
    )
