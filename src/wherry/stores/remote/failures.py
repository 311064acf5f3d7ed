"""Words for what happens when no answer comes: pyreqwest's exceptions, told apart.

pyreqwest says what happened only in the texts of its causes; those that are matched here were provoked with a closed
port, an unknown name, TLS on a plain port and the reverse, bad certificates, and connections cut at each stage
(`tests/stores/remote/test_failures.py` provokes them again).
"""

import re

from pyreqwest.exceptions import ConnectTimeoutError, DetailedPyreqwestError, PyreqwestError

from wherry.oci.errors import ConnectionFailed, RouteError, TimedOut, TLSFailed, Unreachable
from wherry.stores.remote.trust import Trust

__all__ = [
    "ClosedEarly",
    "NotHTTP",
    "NotTLS",
    "ProxyRefused",
    "Refused",
    "SelfSigned",
    "Unresolved",
    "Unwelcome",
    "broken_off",
    "placed",
    "self_signed",
    "unknown_to_proxy",
    "unreachable",
    "unusable",
]


class NotTLS(TLSFailed):
    """Something that is not TLS answered a TLS handshake. Whether it is plain HTTP is for the session to find out."""


class SelfSigned(TLSFailed):
    """The certificate is its own authority, which the HTTP library takes from nobody; not even from who is trusted with it."""


class ClosedEarly(ConnectionFailed):
    """The connection was closed before the answer; a connection that was kept for reuse often ends so."""


class Unwelcome(ClosedEarly):
    """The connection was closed right after its TLS handshake: mostly a client certificate is missing."""


class ProxyRefused(ConnectionFailed):
    """The proxy does not let us through."""


class NotHTTP(ConnectionFailed):
    """What answers there does not speak HTTP."""


class Refused(ConnectionFailed):
    """Nobody listens on that port."""


class Unresolved(ConnectionFailed):
    """Nobody knows a host of that name."""


_IDENTITY = "put it into /etc/docker/certs.d/HOST/ as client.cert and client.key"
_WANTS_CERTIFICATE = re.compile(
    "received fatal alert: (CertificateRequired|BadCertificate|UnknownCA|CertificateUnknown)"
)
_UNUSABLE = (
    (re.compile("KeyMismatch"), "the private key is not that of the certificate"),
    (re.compile("UnsupportedCertVersion"), "a certificate is of X.509 version 1, which TLS no longer takes"),
    (re.compile("BadEncoding|builder error$"), "a certificate or key in them is damaged"),
)
_TRUST = (
    "add its authority to the system's trusted ones, name it in SSL_CERT_FILE, or put it into"
    " /etc/docker/certs.d/HOST/ca.crt; or use --insecure"
)
_OTHER_NAME = "call the registry by a name that it is for (`wherry doctor HOST` shows them), or use --insecure"
_NO_NAME = "whoever runs the registry must make it anew, with the host in subjectAltName; or use --insecure"
_OTHER_TIME = "check this machine's clock; whoever runs the registry can renew it; or use --insecure"
_CERTIFICATES = (
    (re.compile("UnknownIssuer"), "is signed by an authority that this machine does not trust", _TRUST),
    (
        re.compile("BadSignature"),
        "is signed with another key than that of the authority of that name which is trusted",
        _TRUST,
    ),
    (re.compile("CaUsedAsEndEntity"), "is self-signed", _TRUST),
    (re.compile("not valid for any names"), "names no host (in subjectAltName)", _NO_NAME),
    (re.compile("not valid for name|NotValidForName"), "is for another host name", _OTHER_NAME),
    (re.compile("not valid yet|NotValidYet"), "is not valid yet", _OTHER_TIME),
    (re.compile("certificate expired|Expired"), "has expired", _OTHER_TIME),
    (re.compile("revoked|Revoked"), "is revoked", "whoever runs the registry must put another one in its place"),
)


def unreachable(error: BaseException, place: str, *, connecting: float, silence: float) -> Unreachable:
    """The error to raise when a request got no answer. The seconds are how long a connection, and an answer, was waited for."""
    causes = _causes(error)
    if isinstance(error, ConnectTimeoutError) and "(Connect)" in causes:  # else it is the limit for the whole request
        return TimedOut(f"{place}: no connection within {connecting:g} s", registry=place)
    if isinstance(error, TimeoutError):
        return TimedOut(f"{place}: silent for {silence:g} s", registry=place)
    if "dns error" in causes:
        return Unresolved(
            f"{place}: the host name does not resolve", registry=place, hint="check how the registry's name is spelled"
        )
    if "Connection refused" in causes:
        return Refused(
            f"{place}: connection refused: nothing listens there", registry=place, hint="check the host and the port"
        )
    if (failure := _tls_failure(causes, place)) is not None:
        return failure
    if "proxy authorization required" in causes:
        return unknown_to_proxy(place)
    if "SOCKS error: failed to create underlying connection" in causes:
        return Refused(f"{place}: the proxy cannot be reached", registry=place, hint="check the proxy's URL")
    if "tunnel error: unsuccessful" in causes:  # of whatever status
        return ProxyRefused(
            f"{place}: the proxy refuses, or cannot reach the registry",
            registry=place,
            hint="check the registry's name and port; NO_PROXY lists who is reached without the proxy",
        )
    if "parsed" in causes:
        return NotHTTP(f"{place}: what answers there does not speak HTTP", registry=place, hint="check the port")
    return broken_off(error, place)


def unknown_to_proxy(place: str) -> ProxyRefused:
    """The error to raise when a proxy wants to know who asks."""
    return ProxyRefused(
        f"{place}: the proxy wants a user name and a password",
        registry=place,
        hint="put them into its URL: http://NAME:PASSWORD@host:port",
    )


def _tls_failure(causes: str, place: str) -> Unreachable | None:
    """The error for a TLS handshake that failed; None if that is not what happened."""
    if "InvalidContentType" in causes:
        return NotTLS(f"{place}: no TLS on that port", registry=place, hint="check the port")
    if "peer certificate" in causes:
        return _untrusted(causes, place)
    if _WANTS_CERTIFICATE.search(causes):
        return TLSFailed(
            f"{place}: the registry wants a client certificate, or another one", registry=place, hint=_IDENTITY
        )
    if "without sending TLS close_notify" in causes and "(SendRequest)" in causes:
        return Unwelcome(
            f"{place}: the connection was closed right after the TLS handshake",
            registry=place,
            hint=f"if the registry wants a client certificate: {_IDENTITY}",
        )
    if "tls handshake eof" in causes or "received fatal alert" in causes:
        hint = "check the host and the port; TLS before 1.2, and ciphers without forward secrecy, are not spoken here"
        return TLSFailed(f"{place}: the TLS handshake broke off", registry=place, hint=hint)
    return None


def self_signed(place: str, reason: str) -> TLSFailed:
    """The error to raise when a certificate that vouches for itself is not trusted, for OpenSSL's reason."""
    if "mismatch" in reason:
        return TLSFailed(f"{place}: the certificate is for another host name", registry=place, hint=_OTHER_NAME)
    return TLSFailed(f"{place}: the certificate is self-signed", registry=place, hint=_TRUST)


def unusable(error: BaseException, trust: Trust) -> RouteError:
    """The error to raise when certificates of files cannot be used."""
    causes = _causes(error)
    if "No CA certificates were loaded" in causes:
        return RouteError(
            "this machine has no certificates of authorities that it trusts, and so cannot trust a registry's",
            hint="install ca-certificates, or name a file of them in SSL_CERT_FILE",
        )
    for pattern, words in _UNUSABLE:
        if pattern.search(causes):
            return RouteError(f"{', '.join(trust.sources)}: {words}", hint="mend these files, or take them away")
    return RouteError(f"{', '.join(trust.sources)}: a certificate or key in them is damaged ({causes})")


def broken_off(error: BaseException, place: str) -> ConnectionFailed:
    """The error to raise when a connection broke in the middle."""
    causes = _causes(error)
    last = causes.rpartition("; ")[2]
    if "connection closed before message completed" in causes:
        return ClosedEarly(f"{place}: the connection was closed before the answer", registry=place)
    if "end of file before message length" in causes or "unexpected EOF" in causes:
        return ConnectionFailed(f"{place}: the answer broke off in the middle", registry=place)
    return ConnectionFailed(f"{place}: the connection broke: {last or error}", registry=place)


def placed(message: str, registry: str, place: str) -> str:
    """Words about a registry as words about what was asked of it."""
    if place in message:
        return message
    return place + message.removeprefix(registry) if message.startswith(f"{registry}: ") else f"{place}: {message}"


def _untrusted(causes: str, place: str) -> TLSFailed:
    for pattern, words, hint in _CERTIFICATES:
        if pattern.search(causes):
            kind = SelfSigned if "CaUsedAsEndEntity" in causes else TLSFailed
            return kind(f"{place}: the certificate {words}", registry=place, hint=hint)
    reason = causes.rpartition("peer certificate: ")[2]
    return TLSFailed(f"{place}: the certificate is not trusted ({reason})", registry=place, hint=_TRUST)


def _causes(error: BaseException) -> str:
    if isinstance(error, DetailedPyreqwestError):
        return "; ".join(cause["message"] for cause in error.details.get("causes") or ())
    return error.message if isinstance(error, PyreqwestError) else str(error)
