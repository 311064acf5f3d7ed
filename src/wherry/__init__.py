"""Wherry: inspect, assemble, copy and serve multi-platform container images, without a daemon.

The names below are the library's front door. Each is imported when it is first used, so that `import wherry` costs
nothing; everything else is found where its idea lives: `wherry.oci` (values), `wherry.stores` (places), `wherry.ops`
(verbs), `wherry.server` (the registry).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wherry._version import __version__

if TYPE_CHECKING:
    from wherry.oci import errors
    from wherry.oci.descriptor import Descriptor
    from wherry.oci.diagnosis import Diagnosis, diagnose
    from wherry.oci.digest import Digest
    from wherry.oci.errors import WherryError
    from wherry.oci.manifest import Manifest, successors
    from wherry.oci.platform import Platform
    from wherry.oci.reference import Reference, Tag
    from wherry.ops.check import Checked, Problem, check
    from wherry.ops.compare import Compared, compare
    from wherry.ops.copy import Copied, copy
    from wherry.ops.copy_many import Errand, Outcome, copy_many
    from wherry.ops.index import assemble
    from wherry.ops.inspect import Inspection, inspect
    from wherry.stores.archive import docker_archive, oci_archive
    from wherry.stores.layout import Layout
    from wherry.stores.memory import MemoryStore
    from wherry.stores.protocol import Mounter, Source, Store
    from wherry.stores.remote import Client
    from wherry.stores.remote.credential_files import DockerConfig


__all__ = [
    "Checked",
    "Client",
    "Compared",
    "Copied",
    "Descriptor",
    "Diagnosis",
    "Digest",
    "DockerConfig",
    "Errand",
    "Inspection",
    "Layout",
    "Manifest",
    "MemoryStore",
    "Mounter",
    "Outcome",
    "Platform",
    "Problem",
    "Reference",
    "Source",
    "Store",
    "Tag",
    "WherryError",
    "__version__",
    "assemble",
    "check",
    "compare",
    "copy",
    "copy_many",
    "diagnose",
    "docker_archive",
    "errors",
    "inspect",
    "oci_archive",
    "successors",
]

_HOMES = {
    "wherry.oci": ("errors",),
    "wherry.oci.descriptor": ("Descriptor",),
    "wherry.oci.diagnosis": ("Diagnosis", "diagnose"),
    "wherry.oci.digest": ("Digest",),
    "wherry.oci.errors": ("WherryError",),
    "wherry.oci.manifest": ("Manifest", "successors"),
    "wherry.oci.platform": ("Platform",),
    "wherry.oci.reference": ("Reference", "Tag"),
    "wherry.ops.check": ("Checked", "Problem", "check"),
    "wherry.ops.compare": ("Compared", "compare"),
    "wherry.ops.copy": ("Copied", "copy"),
    "wherry.ops.copy_many": ("Errand", "Outcome", "copy_many"),
    "wherry.ops.index": ("assemble",),
    "wherry.ops.inspect": ("Inspection", "inspect"),
    "wherry.stores.archive": ("docker_archive", "oci_archive"),
    "wherry.stores.layout": ("Layout",),
    "wherry.stores.memory": ("MemoryStore",),
    "wherry.stores.protocol": ("Mounter", "Source", "Store"),
    "wherry.stores.remote": ("Client",),
    "wherry.stores.remote.credential_files": ("DockerConfig",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'wherry' has no attribute {name!r}")
    if name == "errors":
        return import_module("wherry.oci.errors")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))
