"""What a user's surroundings say: which files hold credentials, and where they are written.

Only front ends look at the environment; the stores are told.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from wherry.oci.errors import CredentialsError
from wherry.stores.remote.credential_files import DockerConfig

__all__ = ["credential_files", "docker_config", "kept_in"]


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

    What is named on purpose comes first, then docker's, then podman's and skopeo's.
    """
    files = []
    if told := environment.get("REGISTRY_AUTH_FILE"):
        files.append(DockerConfig(Path(told), scoped=True))
    home = _home(environment)
    if home is not None or environment.get("DOCKER_CONFIG"):
        files.append(DockerConfig(docker_config(environment) / "config.json"))
    if folder := environment.get("XDG_RUNTIME_DIR"):
        files.append(DockerConfig(Path(folder) / "containers" / "auth.json", scoped=True))
    settings = environment.get("XDG_CONFIG_HOME") or (home and home / ".config")
    if settings:
        files.append(DockerConfig(Path(settings) / "containers" / "auth.json", scoped=True))
    return files


def kept_in(environment: Mapping[str, str] = os.environ) -> DockerConfig:
    """The file that a login is written to: the one that is named on purpose, else docker's.

    Raises:
        CredentialsError: there is no home folder, and nothing is named.
    """
    if told := environment.get("REGISTRY_AUTH_FILE"):
        return DockerConfig(Path(told), scoped=True)
    return DockerConfig(docker_config(environment) / "config.json")


def _home(environment: Mapping[str, str]) -> Path | None:
    """The user's home folder; None where nobody is at home, as in many containers."""
    if told := environment.get("HOME"):
        return Path(told)
    try:
        return Path.home()
    except RuntimeError:
        return None
