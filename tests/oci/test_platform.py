import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oci.strategies import platforms, refusal
from wherry.oci.errors import InvalidPlatform
from wherry.oci.platform import Platform


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/arm64/v8", Platform("linux", "arm64", "v8")),
        ("linux/arm/v7", Platform("linux", "arm", "v7")),
        ("Linux/AMD64", Platform("linux", "amd64")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("linux/x86-64", Platform("linux", "amd64")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/armhf", Platform("linux", "arm", "v7")),
        ("linux/armel", Platform("linux", "arm", "v6")),
        ("linux/armhf/v6", Platform("linux", "arm", "v6")),
        ("linux/i386", Platform("linux", "386")),
        ("linux/i686", Platform("linux", "386")),
        ("macos/arm64", Platform("darwin", "arm64")),
        ("windows(10.0.17763.2458)/amd64", Platform("windows", "amd64", os_version="10.0.17763.2458")),
        ("windows(+win32k)/amd64", Platform("windows", "amd64", os_features=("win32k",))),
        (
            "windows(10.0.20348+win32k+other)/amd64/v3",
            Platform("windows", "amd64", "v3", "10.0.20348", ("win32k", "other")),
        ),
        ("windows()/amd64", Platform("windows", "amd64")),
        ("unknown/unknown", Platform("unknown", "unknown")),
    ],
)
def test_a_platform_is_read_as_people_write_it(text, platform):
    assert Platform.parse(text) == platform
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linux",
        "/amd64",
        "linux/",
        "linux/amd64/",
        "linux/amd64/v1/more",
        "linux amd64",
        "linux/amd 64",
        "lin(ux/amd64",
        "linux/amd64\n",
        "linux(+)/amd64",
        "linux(1+)/amd64",
        "linux(1.0/amd64",
        "linux/amd64(1.0)",
        "é/amd64",
    ],
)
def test_what_is_no_platform_is_refused_with_an_example(text):
    with pytest.raises(InvalidPlatform) as caught:
        Platform.parse(text)
    assert caught.value.text == text
    assert caught.value.hint == "for example linux/arm64/v8"


@given(platforms)
def test_parsing_reads_what_printing_wrote(platform):
    once = Platform.parse(str(platform))
    assert Platform.parse(str(once)) == once


@given(platforms)
def test_a_document_is_read_as_it_was_written(platform):
    assert Platform.from_json(platform.to_json()) == platform


def test_fields_that_are_not_known_are_kept_in_their_order():
    document = {"os": "linux", "zz": [1], "architecture": "amd64", "aa": {"b": None}}
    platform = Platform.from_json(document)
    assert platform.extra == (("zz", [1]), ("aa", {"b": None}))
    assert list(platform.to_json()) == ["architecture", "os", "zz", "aa"]
    assert hash(platform) == hash(Platform("linux", "amd64"))
    assert platform != Platform("linux", "amd64")


def test_the_fields_stand_in_dockers_order():
    platform = Platform("windows", "amd64", "v1", "10.0", ("win32k",), ("sse4",))
    assert list(platform.to_json()) == ["architecture", "os", "os.version", "os.features", "variant", "features"]


def test_absent_and_null_are_the_same():
    empty = Platform.from_json({})
    assert empty == Platform()
    assert Platform.from_json(dict.fromkeys(["os", "architecture", "variant", "os.version", "os.features"])) == empty
    assert empty.to_json() == {"architecture": "", "os": ""}
    assert str(empty) == ""


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"os": 1}, "'os' must be a string"),
        ({"os": 0}, "'os' must be a string"),
        ({"variant": []}, "'variant' must be a string"),
        ({"architecture": False}, "'architecture' must be a string"),
        ({"os.version": 10.0}, "'os.version' must be a string"),
        ({"os.features": "win32k"}, "'os.features' must be a list of strings"),
        ({"os.features": {}}, "'os.features' must be a list of strings"),
        ({"os.features": [1]}, "'os.features' must be a list of strings"),
        ({"features": [None]}, "'features' must be a list of strings"),
        ({"features": ""}, "'features' must be a list of strings"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused(document, reason):
    with pytest.raises(InvalidPlatform) as caught:
        Platform.from_json(document)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("text", "known"),
    [("linux/amd64", True), ("unknown/unknown", False), ("unknown/amd64", True), ("linux/unknown", True)],
)
def test_attestations_have_no_platform_that_is_known(text, known):
    assert Platform.parse(text).known is known


def test_a_platform_without_os_or_architecture_is_not_known():
    assert not Platform().known
    assert not Platform(os="linux").known
    assert not Platform(architecture="amd64").known


@pytest.mark.parametrize(
    ("has", "wanted", "satisfied"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/amd64", "windows/amd64", False),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64/v9", "linux/arm64/v8", False),
        ("linux/amd64", "linux/amd64/v1", True),
        ("linux/amd64/v2", "linux/amd64/v1", False),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/arm", "linux/arm/v6", False),
        ("linux/arm/v5", "linux/arm", True),
        ("linux/amd64", "linux/amd64/v2", False),
        ("linux/amd64/v2", "linux/amd64", True),
        ("windows(10.0.17763.2458)/amd64", "windows/amd64", True),
        ("windows(10.0.17763.2458)/amd64", "windows(10.0.17763)/amd64", True),
        ("windows(10.0.17763.2458)/amd64", "windows(10.0.17763.2458)/amd64", True),
        ("windows(10.0.17763.2458)/amd64", "windows(10.0.177)/amd64", False),
        ("windows(10.0.17763)/amd64", "windows(10.0.17763.2458)/amd64", False),
        ("windows/amd64", "windows(10.0)/amd64", False),
        ("windows(10.0+win32k)/amd64", "windows(+win32k)/amd64", True),
        ("windows(10.0)/amd64", "windows(+win32k)/amd64", False),
        ("windows(+a+b)/amd64", "windows(+b)/amd64", True),
    ],
)
def test_what_is_left_open_matches_and_what_is_asked_for_must_be_there(has, wanted, satisfied):
    assert Platform.parse(has).satisfies(Platform.parse(wanted)) is satisfied


@given(platforms)
def test_a_platform_satisfies_itself(platform):
    assert platform.satisfies(platform)


@given(st.text(max_size=20))
def test_any_text_is_a_platform_or_is_refused_as_one(text):
    refused = refusal(InvalidPlatform, Platform.parse, text)
    assert refused is None or refused.text == text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm", "linux/arm/v7", True),
        ("linux/arm", "linux/arm/v6", False),
        ("linux/arm64", "linux/arm", False),
        ("linux/amd64", "linux/amd64/v3", False),
        ("windows(10.0.1+a+b)/amd64", "windows(10.0.1+b+a)/amd64", True),
        ("windows(10.0.1)/amd64", "windows(10.0.2)/amd64", False),
    ],
)
def test_the_same_platform_has_the_same_identity(one, other, same):
    assert (Platform.parse(one).identity == Platform.parse(other).identity) is same
