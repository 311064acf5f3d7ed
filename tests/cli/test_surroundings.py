"""What the environment says of where files are."""

import os
from pathlib import Path

import pytest

from tests.powerless import powerless
from wherry.cli.surroundings import certificate_folders, credential_files, docker_config, notes_folder, registries_files
from wherry.oci.errors import CredentialsError

USUAL = Path("/somebody/.cache/wherry")


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({}, USUAL),
        ({"XDG_CACHE_HOME": ""}, USUAL),
        ({"XDG_CACHE_HOME": "relative"}, USUAL),
        ({"XDG_CACHE_HOME": "/var/cache/me"}, Path("/var/cache/me/wherry")),
        ({"XDG_CACHE_HOME": "/var/cache/me", "WHERRY_CACHE": "here"}, Path("here")),
        ({"XDG_CACHE_HOME": "/var/cache/me", "WHERRY_CACHE": ""}, None),
    ],
)
def test_notes_are_where_the_environment_says(environment, folder) -> None:
    assert notes_folder({"HOME": "/somebody"} | environment) == folder


@pytest.mark.parametrize(
    ("environment", "files"),
    [
        ({}, ["/s/.docker/config.json", f"/run/containers/{os.getuid()}/auth.json", "/s/.config/containers/auth.json"]),
        (
            {"XDG_RUNTIME_DIR": "/r", "XDG_CONFIG_HOME": "/c", "DOCKER_CONFIG": "/d", "REGISTRY_AUTH_FILE": "/a.json"},
            ["/a.json", "/d/config.json", "/r/containers/auth.json", "/c/containers/auth.json"],
        ),
    ],
    ids=["usual", "told"],
)
def test_credentials_are_where_docker_and_podman_have_them(environment, files) -> None:
    assert [str(file.path) for file in credential_files({"HOME": "/s"} | environment)] == files


@pytest.mark.parametrize(
    ("environment", "own"), [({}, "/s/.config"), ({"XDG_CONFIG_HOME": "/c"}, "/c")], ids=["usual", "told"]
)
def test_certificates_are_where_podman_and_docker_have_them_with_and_without_root(environment, own) -> None:
    assert [str(folder) for folder in certificate_folders({"HOME": "/s"} | environment)] == [
        f"{own}/containers/certs.d",
        f"{own}/docker/certs.d",
        "/etc/containers/certs.d",
        "/etc/docker/certs.d",
        "/etc/containerd/certs.d",
    ]


def test_places_of_another_user_are_none(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    theirs = str(tmp_path / "closed")
    with powerless():
        for environment in ({"HOME": theirs}, {"HOME": "/s", "XDG_CONFIG_HOME": theirs, "XDG_RUNTIME_DIR": theirs}):
            places = [file.path for file in credential_files(environment)]
            places += [*certificate_folders(environment), *registries_files(environment)]
            assert not [each for each in places if each.is_relative_to(theirs)]
        with pytest.raises(CredentialsError, match="there is no home folder"):
            docker_config({"HOME": theirs})
