"""Platforms: what a child of an index runs on.

Written as containerd writes them: `os[(os.version[+feature…])]/architecture[/variant]`.
Spec: image-spec 1.1, image-index.md, "platform".
"""

import re
from collections.abc import Hashable, Mapping
from typing import Any, Self

from msgspec import Struct

from wherry.oci.errors import InvalidPlatform

__all__ = ["Platform"]

_PART = r"[A-Za-z0-9_.-]+"
_GRAMMAR = re.compile(
    rf"(?P<os>{_PART})(?:\((?P<version>[A-Za-z0-9_.-]*)(?P<features>(?:\+{_PART})*)\))?"
    rf"/(?P<architecture>{_PART})(?:/(?P<variant>{_PART}))?"
)
# People write what `uname -m` prints; containerd folds the same names.
_ARCHITECTURES = {
    "aarch64": ("arm64", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_OSES = {"macos": "darwin"}
_DEFAULT_VARIANTS = {"amd64": "v1", "arm64": "v8", "arm": "v7"}


class Platform(Struct, frozen=True):
    """Empty text means that the field was absent; unknown fields of the document are kept in `extra`, in its order."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    """Docker's `features` (CPU features); OCI reserves the field."""
    extra: tuple[tuple[str, Any], ...] = ()

    def __hash__(self) -> int:
        # `extra` may hold what has no hash
        return hash((self.os, self.architecture, self.variant, self.os_version))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `os/architecture[/variant]`, with names folded as `uname` and people write them.

        Raises:
            InvalidPlatform: `text` is not of that form.
        """
        found = _GRAMMAR.fullmatch(text)
        if not found:
            raise InvalidPlatform(text, "not of the form os/architecture[/variant]", hint="for example linux/arm64/v8")
        system = found["os"].lower()
        architecture = found["architecture"].lower()
        architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
        return cls(
            os=_OSES.get(system, system),
            architecture=architecture,
            variant=found["variant"] or implied,
            os_version=found["version"] or "",
            os_features=tuple(found["features"][1:].split("+")) if found["features"] else (),
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read the `platform` object of a descriptor, or the same fields of an image's config.

        Raises:
            InvalidPlatform: a field has the wrong JSON type.
        """
        texts = {name: _present(document, name, "") for name in ("os", "architecture", "variant", "os.version")}
        lists: dict[str, Any] = {name: _present(document, name, ()) for name in ("os.features", "features")}
        for name, text in texts.items():
            if not isinstance(text, str):
                raise InvalidPlatform(repr(document), f"{name!r} must be a string")
        for name, items in lists.items():
            if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
                raise InvalidPlatform(repr(document), f"{name!r} must be a list of strings")
        return cls(
            os=texts["os"],
            architecture=texts["architecture"],
            variant=texts["variant"],
            os_version=texts["os.version"],
            os_features=tuple(lists["os.features"]),
            features=tuple(lists["features"]),
            extra=tuple((name, value) for name, value in document.items() if name not in texts and name not in lists),
        )

    def to_json(self) -> dict[str, Any]:
        """The `platform` object, in the field order of Docker and of the specification, absent fields left out."""
        document: dict[str, Any] = {"architecture": self.architecture, "os": self.os}
        if self.os_version:
            document["os.version"] = self.os_version
        if self.os_features:
            document["os.features"] = list(self.os_features)
        if self.variant:
            document["variant"] = self.variant
        if self.features:
            document["features"] = list(self.features)
        return document | dict(self.extra)

    @property
    def known(self) -> bool:
        """Whether it says what it runs on (attestations say `unknown/unknown`)."""
        return bool(self.os and self.architecture) and (self.os, self.architecture) != ("unknown", "unknown")

    @property
    def full_variant(self) -> str:
        """The variant, or the usual one where none is written: amd64 is v1, arm64 is v8, arm is v7; empty where there is none."""
        return self.variant or _DEFAULT_VARIANTS.get(self.architecture, "")

    @property
    def identity(self) -> Hashable:
        """What tells platforms apart, to compare by: the usual variant written out, features in any order."""
        return (self.os, self.architecture, self.full_variant, frozenset(self.os_features), self.os_version)

    def satisfies(self, wanted: "Platform") -> bool:
        """Whether an image for this platform is what somebody means who asks for `wanted`.

        What `wanted` leaves open matches anything; a variant left out of an image's means the usual one (amd64 is v1,
        arm64 is v8, arm is v7). `wanted.os_version` matches as a prefix of whole parts: 10.0.17763 is satisfied by 10.0.17763.2458.
        """
        if (self.os, self.architecture) != (wanted.os, wanted.architecture):
            return False
        if wanted.variant and self.full_variant != wanted.variant:
            return False
        if wanted.os_version and f"{self.os_version}.".find(f"{wanted.os_version}.") != 0:
            return False
        return set(wanted.os_features) <= set(self.os_features)

    def __str__(self) -> str:
        qualifier = "+".join((self.os_version, *self.os_features))
        system = f"{self.os}({qualifier})" if qualifier else self.os
        return "/".join(part for part in (system, self.architecture, self.variant) if part)


def _present(document: Mapping[str, Any], name: str, absent: Any) -> Any:
    """A field as it is, or `absent` if it is absent or null."""
    value = document.get(name)
    return absent if value is None else value
