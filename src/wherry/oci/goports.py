"""Go's ports: the os/architecture pairs that programs which look at platforms know (`go tool dist list`, Go 1.25).

Anything may stand in an index; these are the pairs that are no typing mistake.
"""

from wherry.oci.platform import Platform

__all__ = ["is_known_port"]

_PORTS = {
    "aix": "ppc64",
    "android": "386 amd64 arm arm64",
    "darwin": "386 amd64 arm arm64",
    "dragonfly": "amd64",
    "freebsd": "386 amd64 arm arm64 riscv64",
    "illumos": "amd64",
    "ios": "amd64 arm64",
    "js": "wasm",
    "linux": "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x",
    "netbsd": "386 amd64 arm arm64",
    "openbsd": "386 amd64 arm arm64 ppc64 riscv64",
    "plan9": "386 amd64 arm",
    "solaris": "amd64",
    "wasi": "wasm",
    "wasip1": "wasm",
    "windows": "386 amd64 arm arm64",
}


def is_known_port(platform: Platform) -> bool:
    """Whether this os runs on this architecture, as far as Go knows; the variant is free."""
    return platform.architecture in _PORTS.get(platform.os, "").split()
