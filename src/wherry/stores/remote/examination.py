"""Why does this registry not work for me: the way there step by step, and what the registry can do. Reads alone; never writes.

Each step is a finding. What is broken comes with the next step that a person can take; what depends on a broken step is left out.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pyreqwest.http import Url

from wherry.oci.errors import RegistryError, TLSFailed, WherryError
from wherry.oci.reference import Reference
from wherry.stores.remote.abilities import abilities, catalogue, uploads
from wherry.stores.remote.client import Client
from wherry.stores.remote.direct import Direct
from wherry.stores.remote.finding import Finding, State
from wherry.stores.remote.handshake import Shown, shake_hands
from wherry.stores.remote.hosts import API, Endpoint, Hosts, Route
from wherry.stores.remote.notes import Note
from wherry.stores.remote.proxies import Proxies
from wherry.stores.remote.reach import authority, is_loopback
from wherry.stores.remote.scopes import NOTHING, Scopes, pull
from wherry.stores.remote.session import Greeting, Request

__all__ = ["examine"]

_PATIENCE = 10.0  # seconds
_SOON = 14  # days
_OK, _UNAUTHORIZED, _SERVER_ERROR = 200, 401, 500
_LATER = "try again later; who runs the registry sees more in its log"
_HINTS = {
    403: "the registry, or something before it, lets nobody in from here: ask who runs it",
    429: "too many requests have come from here: try again later",
}


async def examine(
    client: Client, registry: str, reference: Reference | None, *, hosts: Hosts, proxies: Proxies
) -> AsyncIterator[Finding]:
    """Go the way to a registry, or to a repository, as `client` does; give the findings as they are made.

    Args:
        hosts, proxies: those that the client has.
    """
    repository = reference.repository if reference is not None else ""
    try:
        route = hosts.route(registry, repository)
    except WherryError as error:
        yield Finding.failure("route", error)
        return
    yield _route(registry, route)
    working = []
    for mirror in route.mirrors:
        finding = await _mirror(client, mirror)
        working.append(finding.state == "ok")
        yield finding
    session = client.direct(route.home.host)
    async for finding in _way(session, proxies):
        yield finding
        if finding.state == "broken":
            return
    async for finding in _authorised(session, pull(route.home.repository or repository) if repository else NOTHING):
        yield finding
        if finding.state == "broken":
            return
    async for finding in _of_repository(session, route.home, reference, is_mirrored=any(working)):
        yield finding
    yield await catalogue(session)
    yield uploads(session)
    if noted := client.noted(registry):
        yield _notes(noted)


async def _of_repository(
    session: Direct, home: Endpoint, reference: Reference | None, *, is_mirrored: bool
) -> AsyncIterator[Finding]:
    if reference is None:
        return
    async for finding in abilities(session, home, reference):
        if finding.about == "repository" and finding.state == "broken" and is_mirrored:
            hint = "what is read is asked of the mirrors first, and may be there"
            yield Finding(finding.about, "note", finding.text, hint, finding.facts)
        else:
            yield finding


def _route(registry: str, route: Route) -> Finding:
    home, host = route.home, route.home.host
    facts = {
        "host": host.address,
        "scheme": host.scheme,
        "api": host.api,
        "repository": home.repository,
        "insecure": host.insecure,
        "source": home.source,
        "certificates": list(host.trust.sources),
        "mirrors": [str(each) for each in route.mirrors],
    }
    at_host = (
        host.address + (host.api if host.api != API else "") + (f", as {home.repository}" if home.repository else "")
    )
    parts = [f"{registry} is {at_host}" if at_host != registry else f"{registry} itself"]
    parts += [f"by {home.source}"] if home.source else []
    parts += [f"with {', '.join(host.trust.sources)}"] if host.trust.sources else []
    return Finding("route", "ok", ", ".join(parts), facts=facts)


def _notes(noted: Mapping[str, Note]) -> Finding:
    facts = {name: note.value for name, note in sorted(noted.items())}
    since = datetime.fromtimestamp(min(note.at for note in noted.values()), UTC)
    said = ", ".join(f"{name.replace('_', ' ')} {_said(value)}" for name, value in facts.items())
    text = f"earlier commands have met, since {since:%Y-%m-%d %H:%M} UTC: {said}"
    return Finding("notes", "ok", text, "`--forget` has it found out anew, if it is no longer so", facts)


def _said(value: bool | int) -> str:  # noqa: FBT001  # a note's value
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


async def _mirror(client: Client, mirror: Endpoint) -> Finding:
    facts = {"mirror": str(mirror), "source": mirror.source}
    try:
        greeting = await client.direct(mirror.host).greet()
    except WherryError as error:
        hint = f"commands pass it over and go on; {mirror.source} names it"
        return Finding("mirror", "note", f"{mirror}, by {mirror.source}, does not work: {error}", hint, facts)
    return Finding("mirror", "ok", f"{mirror}, by {mirror.source}, answers {greeting.status}", facts=facts)


async def _way(session: Direct, proxies: Proxies) -> AsyncIterator[Finding]:
    """From the name to the first answer."""
    host = session.host
    url = Url(f"{host.scheme or 'https'}://{host.address}")
    try:
        proxy = proxies.for_url(url)
    except WherryError as error:
        yield Finding.failure("proxy", error)
        return
    yield _proxy(url, proxy, proxies)
    if proxy is None:
        yield await _addresses(url)
    greeting, failure = None, None
    try:
        greeting = await session.greet()
    except WherryError as error:
        failure = error
    if greeting is None or not greeting.way.is_plain:
        async for finding in _tls(url, proxy, greeting, failure, session):
            yield finding
    elif greeting is not None:
        risk = "on this machine alone" if is_loopback(host.name) else "which others can read and change"
        yield Finding("tls", "note", f"none: it is spoken to in plain HTTP, {risk}", facts={"verified": False})
    if failure is not None and not isinstance(failure, TLSFailed):
        yield Finding.failure("answer", failure)
    if greeting is not None:
        yield _answer(session, greeting)


def _proxy(url: Url, proxy: Url | None, proxies: Proxies) -> Finding:
    if proxy is not None:
        return Finding("proxy", "ok", f"by way of {authority(proxy)}", facts={"proxy": authority(proxy)})
    text = "none for this host (loopback, or NO_PROXY)" if proxies.is_set(url.scheme) else "none"
    return Finding("proxy", "ok", text, facts={"proxy": None})


async def _addresses(url: Url) -> Finding:
    host = (url.host_str or "").strip("[]")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await loop.getaddrinfo(host, url.port_or_known_default, type=socket.SOCK_STREAM)
    except TimeoutError:
        return Finding("address", "broken", f"{host} does not resolve in {_PATIENCE:g} s", "check the name servers")
    except (OSError, UnicodeError) as error:
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        return Finding("address", "broken", f"{host} does not resolve{reason}", "check how the name is spelled")
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    return Finding("address", "ok", ", ".join(addresses), facts={"addresses": addresses})


async def _tls(
    url: Url, proxy: Url | None, greeting: Greeting | None, failure: WherryError | None, session: Direct
) -> AsyncIterator[Finding]:
    """What the host shows, and whether the client takes it."""
    host, port = (url.host_str or "").strip("[]"), url.port_or_known_default or 443
    shown = await shake_hands(host, port, proxy, patience=_PATIENCE)
    for certificate in _chain(shown):
        yield certificate
    facts = {"version": shown.version if shown else None, "authorities": list(session.host.trust.sources)}
    if isinstance(failure, TLSFailed):
        yield Finding.failure("tls", failure, **facts, verified=False)
    elif greeting is not None and shown is not None:
        is_verified = greeting.way.verify
        text = f"{shown.version}, " + (
            "verified"
            if is_verified
            else "not verified: this machine"
            if is_loopback(host)
            else "not verified: anybody could stand in between"
        )
        yield Finding("tls", "ok" if is_verified else "note", text, facts=facts | {"verified": is_verified})


def _chain(shown: Shown | None) -> Iterator[Finding]:
    now = datetime.now(UTC)
    for each in shown.chain if shown else ():
        days = (each.end - now).days
        text = f"{each.subject or '(no subject)'}, signed by {each.issuer}, until {each.end:%Y-%m-%d} "
        text += f"({days} day{'' if days == 1 else 's'})" if each.end > now else "(expired)"
        text += f", for {', '.join(each.names)}" if each.names else ""
        state: State = "note" if days < _SOON or each.start > now else "ok"
        facts = {
            "subject": each.subject,
            "issuer": each.issuer,
            "notBefore": each.start.isoformat(),
            "notAfter": each.end.isoformat(),
            "names": list(each.names),
        }
        yield Finding("certificate", state, text, facts=facts)


def _answer(session: Direct, greeting: Greeting) -> Finding:
    facts = {"url": f"{greeting.way.origin}{session.host.api}/", "status": greeting.status, "version": greeting.version}
    text = f"GET {facts['url']} -> {greeting.status}"
    hint = _HINTS.get(
        greeting.status, _LATER if greeting.status >= _SERVER_ERROR else "check the host name and the port"
    )
    if greeting.is_page and greeting.status != _UNAUTHORIZED:
        return Finding("answer", "broken", f"{text}: no registry: a web page (HTML)", hint, facts)
    if greeting.status not in {_OK, _UNAUTHORIZED}:
        return Finding("answer", "broken", f"{text}, where a registry answers 200 or 401", hint, facts)
    said = [each for each in (greeting.version, greeting.server) if each]
    return Finding("answer", "ok", text + (f" ({', '.join(said)})" if said else ""), facts=facts)


async def _authorised(session: Direct, scopes: Scopes) -> AsyncIterator[Finding]:
    """Who asks, and whether that is good."""
    greeting = await session.greet()
    try:
        credential = await session.credential(scopes)
    except WherryError as error:
        yield Finding.failure("credential", error)
        return
    if credential is None:
        yield Finding("credential", "ok", f"{await session.who(scopes)}", facts={"who": None, "source": None})
    else:
        told = {"who": credential.who, "source": credential.source}
        yield Finding("credential", "ok", f"{credential.who}, from {credential.source or 'the program'}", facts=told)
    challenge = greeting.challenge
    if challenge is None:
        yield await _unasked(session, greeting)
        return
    facts: dict[str, Any] = {"scheme": challenge.scheme, **challenge.parameters, "scopes": list(scopes.texts())}
    is_bearer = challenge.scheme == "bearer"
    wants = f"tokens of {challenge.parameters.get('realm')}" if is_bearer else challenge.scheme
    try:
        await session.ask(Request("GET", f"{session.host.api}/", session.registry, scopes, patient=False))
    except WherryError as error:
        if (
            isinstance(error, RegistryError)
            and error.status == _UNAUTHORIZED
            and credential is None
            and not scopes.grants
        ):
            hint = f"`wherry login {session.registry}`, or name a public repository: {session.registry}/REPOSITORY"
            yield Finding("authorisation", "note", f"{wants}: nobody comes in without a credential", hint, facts)
            return
        yield Finding.failure("authorisation", error, **facts)
        return
    needs = f", for {' '.join(scopes.texts())}" if scopes.grants and is_bearer else ""
    yield Finding("authorisation", "ok", f"{wants}{needs}: accepted", facts=facts)


async def _unasked(session: Direct, greeting: Greeting) -> Finding:
    """What it means that there is no challenge that we could meet."""
    facts = {"scheme": None}
    if greeting.status == _UNAUTHORIZED:
        try:
            await session.ask(Request("GET", f"{session.host.api}/", session.registry, patient=False))
        except WherryError as error:
            return Finding.failure("authorisation", error, **facts)
    return Finding("authorisation", "ok", "not asked for", facts=facts)
