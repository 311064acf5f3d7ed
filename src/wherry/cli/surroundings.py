"""What a user's surroundings say: which files hold credentials, certificates and routes, and which proxies there are.

Only front ends look at the environment; the stores are told.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from wherry.oci.errors import CredentialsError
from wherry.stores.remote.credential_files import DockerConfig
from wherry.stores.remote.hosts_files import HostFiles

__all__ = [
    "certificate_folders",
    "credential_files",
    "docker_config",
    "host_files",
    "kept_in",
    "notes_folder",
    "registries_files",
]

_CERTIFICATES = ("/etc/containers/certs.d", "/etc/docker/certs.d", "/etc/containerd/certs.d")
_AUTH = "DOCKER_AUTH_CONFIG"
_RUNTIME = Path("/run/containers")
_REGISTRIES = Path("/etc/containers/registries.conf")


def docker_config(environment: Mapping[str, str] = os.environ) -> Path:
    """Docker's configuration folder: `$DOCKER_CONFIG`, or `~/.docker`. It need not exist.

    Raises:
        CredentialsError: neither the variable nor a home folder is there.
    """
    if told := environment.get("DOCKER_CONFIG"):
        return Path(told)
    home = _home(environment)
    if home is None:
        raise CredentialsError(
            "there is no home folder to look for docker's configuration in", hint="set DOCKER_CONFIG"
        )
    return home / ".docker"


def credential_files(environment: Mapping[str, str] = os.environ) -> list[DockerConfig]:
    """The files that may hold credentials, first the one that counts most; none of them need exist.

    What is named on purpose comes first, then docker's, then podman's and skopeo's. `DOCKER_AUTH_CONFIG` has the content of such a file.
    """
    files = []
    if told := environment.get("REGISTRY_AUTH_FILE"):
        files.append(DockerConfig(Path(told), podman=True))
    if told := environment.get(_AUTH):
        files.append(DockerConfig.in_variable(_AUTH, told))
    home = _home(environment)
    if home is not None or environment.get("DOCKER_CONFIG"):
        files.append(DockerConfig(docker_config(environment) / "config.json"))
    # Without a session of the user's (root, cron, su) podman has a folder of its own.
    runtime = environment.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "containers" if runtime else _RUNTIME / str(os.getuid())
    if not _is_closed(folder.parent):
        files.append(DockerConfig(folder / "auth.json", podman=True))
    settings = _settings(environment)
    if settings is not None:
        files.append(DockerConfig(settings / "auth.json", podman=True))
    return files


def kept_in(environment: Mapping[str, str] = os.environ) -> DockerConfig:
    """The file that a login is written to: the one that is named on purpose, else docker's.

    Raises:
        CredentialsError: there is no home folder, and nothing is named.
    """
    if told := environment.get("REGISTRY_AUTH_FILE"):
        return DockerConfig(Path(told), podman=True)
    return DockerConfig(docker_config(environment) / "config.json")


def host_files(environment: Mapping[str, str] = os.environ) -> HostFiles:
    """The routes to registries that docker's, containerd's and podman's files on this machine tell."""
    return HostFiles(folders=certificate_folders(environment), registries=registries_files(environment))


def certificate_folders(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """`certs.d` folders: those that `WHERRY_CERTS_D` lists, and no others if it is set; else the usual places."""
    told = environment.get("WHERRY_CERTS_D")
    if told is not None:
        return [Path(each) for each in told.split(os.pathsep) if each]
    settings = _settings(environment)
    own = [] if settings is None else [settings / "certs.d", settings.with_name("docker") / "certs.d"]  # without root
    return [*own, *map(Path, _CERTIFICATES)]


def registries_files(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """`registries.conf` and its drop-ins, later ones counting more; the one that a variable names, alone, if one does."""
    for name in ("WHERRY_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF"):
        told = environment.get(name)
        if told is not None:
            return [Path(told)] if told else []
    settings = _settings(environment)
    own = None if settings is None else settings / "registries.conf"
    folders = [_REGISTRIES.with_name("registries.conf.d")]
    if own is not None:
        folders.append(own.with_name("registries.conf.d"))
    main = own if own is not None and own.exists() else _REGISTRIES
    return [main, *(file for folder in folders for file in sorted(folder.glob("*.conf")))]


def notes_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where what is learnt of registries is noted: `WHERRY_CACHE` (empty: nowhere), else `wherry` in the user's cache.

    A relative path in `XDG_CACHE_HOME` is none: XDG Base Directory Specification, "Basics".
    """
    told = environment.get("WHERRY_CACHE")
    if told is not None:
        return Path(told) if told else None
    cache = Path(environment.get("XDG_CACHE_HOME", ""))
    if cache.is_absolute():
        return cache / "wherry"
    home = _home(environment)
    return None if home is None else home / ".cache" / "wherry"


def _settings(environment: Mapping[str, str]) -> Path | None:
    """Where podman and skopeo have a user's own files."""
    if told := environment.get("XDG_CONFIG_HOME"):
        return None if _is_closed(Path(told)) else Path(told) / "containers"
    home = _home(environment)
    return None if home is None else home / ".config" / "containers"


def _home(environment: Mapping[str, str]) -> Path | None:
    """The user's home folder; None where nobody is at home, or at somebody else's, as in many containers."""
    told = environment.get("HOME")
    try:
        home = Path(told) if told else Path.home()
    except RuntimeError:
        return None
    return None if _is_closed(home) else home


def _is_closed(folder: Path) -> bool:
    """Whether a folder is another user's, who does not let us in: `sudo -u` and `docker run --user` leave variables that name such."""
    try:
        (folder / "..").stat()  # which has to go into it
    except OSError as error:
        return isinstance(error, PermissionError)
    return False
