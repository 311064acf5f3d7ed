import json

import pytest

from wherry.oci.config import ImageConfig
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestInvalid
from wherry.oci.platform import Platform

DIFF_ID = str(Digest.of(b"layer"))
CONFIG = {
    "architecture": "arm",
    "os": "linux",
    "variant": "v7",
    "os.version": "10.0",
    "os.features": ["win32k"],
    "created": "2022-01-01T00:00:00.123456789Z",
    "config": {"Labels": {"b": "2", "a": "1"}, "Env": ["A=B"]},
    "rootfs": {"type": "layers", "diff_ids": [DIFF_ID, DIFF_ID]},
    "history": [{"created_by": "COPY"}],
    "unknown": [1],
}


def parsed(document: object) -> ImageConfig:
    return ImageConfig.parse(json.dumps(document).encode())


def test_an_images_config_is_read():
    config = parsed(CONFIG)
    assert config.platform == Platform("linux", "arm", "v7", "10.0", ("win32k",))
    assert config.created == "2022-01-01T00:00:00.123456789Z"
    assert config.labels == (("b", "2"), ("a", "1"))
    assert config.diff_ids == (Digest.parse(DIFF_ID),) * 2
    assert config.document == CONFIG


@pytest.mark.parametrize("document", [{}, {"config": None, "rootfs": None}, {"config": {"Labels": None}, "rootfs": {}}])
def test_a_config_that_says_little_is_read_too(document):
    config = parsed(document)
    assert config.platform == Platform()
    assert config.created is None
    assert config.labels == config.diff_ids == ()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "not an object"),
        ("text", "not an object"),
        ({"os": 1}, "'os' must be a string"),
        ({"created": 1}, "created"),
        ({"rootfs": []}, "rootfs"),
        ({"rootfs": {"diff_ids": "x"}}, "rootfs.diff_ids"),
        ({"rootfs": {"diff_ids": ["x"]}}, "bad digest 'x'"),
        ({"rootfs": {"diff_ids": [None]}}, "bad digest 'None'"),
        ({"config": []}, "config"),
        ({"config": {"Labels": []}}, "config.Labels"),
    ],
)
def test_a_config_that_is_not_an_images_says_so(document, words):
    with pytest.raises(ManifestInvalid) as caught:
        parsed(document)
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"{"])
def test_a_config_that_is_no_json_says_so(content):
    with pytest.raises(ManifestInvalid, match="the config is not JSON"):
        ImageConfig.parse(content)
