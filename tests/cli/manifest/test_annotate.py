import json

import pytest

from tests.content import an_image
from wherry.oci.mediatype import DOCKER_LIST, OCI_INDEX

IMAGE = an_image(docker=True, platform="linux/arm64/v8")


@pytest.fixture
async def names(registry, wherry, pushed) -> tuple[str, str]:
    """A draft of one image, and that image."""
    target, image = f"{registry.address}/team/app:multi", await pushed(IMAGE, "team/app:arm64")
    assert (await wherry("manifest", "create", "--insecure", target, image)).code == 0
    return target, image


def described(files, name: str) -> dict:
    [image] = files(name).values()
    return image["Descriptor"]


async def test_platform_is_said_at_once_and_replaces_what_was(wherry, names, files) -> None:
    for text, platform in {
        "linux/arm/v6": {"architecture": "arm", "os": "linux", "variant": "v6"},
        "windows(10.0.17763)/amd64": {"architecture": "amd64", "os": "windows", "os.version": "10.0.17763"},
        "linux/aarch64": {"architecture": "arm64", "os": "linux"},
    }.items():
        done = await wherry("manifest", "annotate", *names, "--platform", text)
        assert (done.code, done.err) == (0, "")
        assert described(files, names[0])["platform"] == platform


async def test_single_flags_win_over_the_platform(wherry, names, files) -> None:
    await wherry("manifest", "annotate", *names, "--platform", "linux/arm", "--variant", "v7")
    assert described(files, names[0])["platform"] == {"architecture": "arm", "os": "linux", "variant": "v7"}


async def test_a_platform_that_is_none_changes_nothing(wherry, names, files) -> None:
    before = files(names[0])
    done = await wherry("manifest", "annotate", *names, "--platform", "arm64")
    assert (done.code, done.out) == (125, b"")
    assert "os/architecture" in done.err
    assert files(names[0]) == before


async def test_fields_are_cleared_before_others_are_set(wherry, names, files) -> None:
    await wherry("manifest", "annotate", *names, "--os-features", "a,b", "--os-version", "1", "--annotation", "k=v")
    done = await wherry(
        "manifest", "annotate", *names, "--clear", "os-features", "--clear", "os-version", "--clear", "variant",
        "--clear", "annotations", "--os-features", "c",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert described(files, names[0])["platform"] == {"architecture": "arm64", "os": "linux", "os.features": ["c"]}
    assert "annotations" not in described(files, names[0])


async def test_features_are_csv_as_docker_reads_it(wherry, names, files) -> None:
    said = ("--os-features", '"c,d",e', "--os-features", 'f,"g""h"')
    assert (await wherry("manifest", "annotate", *names, *said)).code == 0
    assert described(files, names[0])["platform"]["os.features"] == ["c,d", "e", "f", 'g"h']
    before = files(names[0])
    for broken in ('"c,d', '"a" ,b'):
        done = await wherry("manifest", "annotate", *names, "--os-features", broken)
        assert (done.code, done.out, files(names[0])) == (125, b"", before)
        assert repr(broken) in done.err


async def test_annotations_are_added_and_make_an_oci_index(wherry, names, files) -> None:
    await wherry("manifest", "annotate", *names, "--annotation", "a=1", "--annotation", "b=x=y")
    await wherry("manifest", "annotate", *names, "--annotation", "a=2", "--annotation", "c=")
    assert described(files, names[0])["annotations"] == {"a": "2", "b": "x=y", "c": ""}
    assert (await wherry("manifest", "push", names[0])).code == 0
    shown = json.loads((await wherry("manifest", "inspect", "--insecure", "--remote", names[0])).out)
    assert shown["mediaType"] == OCI_INDEX != DOCKER_LIST
    assert shown["manifests"][0]["annotations"] == {"a": "2", "b": "x=y", "c": ""}


@pytest.mark.parametrize(
    "flags",
    [
        ("--annotation", "novalue"),
        ("--annotation", "=x"),
        ("--annotation", "k=\udcff"),
        ("--arch", "\udcff"),
        ("--os-features", "\udcff"),
        ("--clear", "size"),
    ],
)
async def test_flags_with_values_that_mean_nothing_are_125(wherry, names, flags) -> None:
    done = await wherry("manifest", "annotate", *names, *flags)
    assert (done.code, done.out) == (125, b"")
    assert "wherry manifest annotate --help" in done.err


async def test_what_is_not_there_needs_no_folder_that_can_be_written(wherry, configuration) -> None:
    done = await wherry("manifest", "annotate", "r.example/a:1", "r.example/b:1", "--os", "linux")
    assert (done.code, done.err) == (1, "manifest for image r.example/b:1 does not exist in r.example/a:1\n")
    assert not configuration.exists()
