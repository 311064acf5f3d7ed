"""Texts and values of floor 1, for property tests."""

from collections.abc import Callable

from hypothesis import strategies as st

from wherry.oci.digest import ALGORITHMS, Digest
from wherry.oci.errors import InvalidValue
from wherry.oci.platform import Platform
from wherry.oci.reference import DOCKER_HUB, Reference, Tag

HEX = "0123456789abcdef"

digests = st.sampled_from(sorted(ALGORITHMS)).flatmap(
    lambda algorithm: st.builds(
        Digest, st.just(algorithm), st.text(HEX, min_size=ALGORITHMS[algorithm], max_size=ALGORITHMS[algorithm])
    )
)

components = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
names = st.lists(components, min_size=1, max_size=4).map("/".join)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True).map(Tag)

labels = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,6}[A-Za-z0-9])?", fullmatch=True)
hosts = st.one_of(
    st.just(DOCKER_HUB),
    st.just("localhost"),
    st.lists(labels, min_size=2, max_size=4).map(".".join),
    labels.map(lambda label: f"{label}:5000"),
    st.from_regex(r"\[([0-9a-f]{1,4}:){1,7}:?[0-9a-f]{1,4}\](:[0-9]{1,4})?", fullmatch=True),
).filter(lambda host: host != "index.docker.io")


def _on_hub(reference: Reference) -> bool:
    """On Docker Hub, a repository has a namespace: `parse` never gives one without."""
    return reference.registry != DOCKER_HUB or "/" in reference.repository


references = st.builds(Reference, hosts, names, st.none() | tags, st.none() | digests).filter(_on_hub)

parts = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,8}", fullmatch=True)
platforms = st.builds(
    Platform,
    os=parts,
    architecture=parts,
    variant=st.just("") | parts,
    os_version=st.just("") | st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,5}){0,3}", fullmatch=True),
    os_features=st.lists(parts, max_size=2).map(tuple),
)


def refusal(kind: type[InvalidValue], parse: Callable[[str], object], text: str) -> InvalidValue | None:
    """The error of that kind that parsing ends in; None if `text` is taken. Any other error passes through."""
    try:
        parse(text)
    except kind as error:
        return error
    return None
