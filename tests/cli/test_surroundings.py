"""What the environment says of where files are."""

from pathlib import Path

import pytest

from wherry.cli.surroundings import notes_folder

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
