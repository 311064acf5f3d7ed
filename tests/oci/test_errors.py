import inspect
import pickle

import pytest

from wherry.oci import errors
from wherry.oci.errors import (
    Exchange,
    InvalidDigest,
    InvalidName,
    InvalidTag,
    ManifestUnknown,
    RegistryError,
    TooManyRequests,
    UnexpectedResponse,
    Unreachable,
    WherryError,
)

CLASSES = [getattr(errors, name) for name in errors.__all__ if name != "Exchange"]


@pytest.mark.parametrize("each", CLASSES, ids=lambda each: each.__name__)
def test_every_error_is_one_of_ours_with_a_code_and_a_status(each):
    assert issubclass(each, WherryError)
    assert each.code == each.code.upper()
    assert 400 <= each.status < 600


def test_the_tree_in_the_docstring_names_every_class():
    drawn = inspect.getdoc(errors) or ""
    assert [each.__name__ for each in CLASSES if each.__name__ not in drawn] == []


def test_a_value_that_is_refused_is_quoted_with_the_reason():
    error = InvalidDigest("sha256:abc", "3 hex digits where sha256 needs 64", hint="look again")
    assert str(error) == "bad digest 'sha256:abc': 3 hex digits where sha256 needs 64"
    assert (error.text, error.reason, error.hint) == ("sha256:abc", "3 hex digits where sha256 needs 64", "look again")
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(("each", "kind"), [(InvalidName, "repository name"), (InvalidTag, "tag")])
def test_a_value_is_called_by_its_kind(each, kind):
    assert str(each("x", "so")) == f"bad {kind} 'x': so"


def test_a_long_value_does_not_hide_the_reason():
    error = InvalidDigest("x" * 1000, "too long")
    assert len(str(error)) < 200
    assert str(error).endswith("…': too long")
    assert error.text == "x" * 1000


def test_a_control_character_is_shown_and_not_sent_to_the_terminal():
    assert "\x1b" not in str(InvalidDigest("\x1b[31m\n", "odd"))


def test_a_refusal_names_the_request_and_the_answer():
    request = Exchange("GET", "/v2/team/app/manifests/1.4")
    error = ManifestUnknown("registry.example/team/app:1.4: no such tag", request=request)
    assert str(error) == (
        "registry.example/team/app:1.4: no such tag (GET /v2/team/app/manifests/1.4 -> 404 MANIFEST_UNKNOWN)"
    )


def test_a_refusal_without_a_code_of_the_specification_shows_its_status_alone():
    error = UnexpectedResponse("odd", request=Exchange("GET", "/v2/"), status=502)
    assert str(error) == "odd (GET /v2/ -> 502)"


def test_a_refusal_without_a_request_is_its_message():
    error = RegistryError("no", detail={"a": 1}, words="denied by policy", hint="ask")
    assert str(error) == "no"
    assert (error.detail, error.words, error.hint, error.request) == ({"a": 1}, "denied by policy", "ask", None)


def test_the_status_of_one_refusal_may_differ_from_its_class():
    assert ManifestUnknown("x", status=410).status == 410
    assert ManifestUnknown("x").status == ManifestUnknown.status == 404


def test_how_long_to_wait_is_unknown_until_the_registry_says():
    assert TooManyRequests("slow down").retry_after is None


def test_a_registry_that_does_not_answer_is_named():
    assert Unreachable("no answer", registry="registry.example:5000").registry == "registry.example:5000"


@pytest.mark.parametrize(
    "error",
    [
        InvalidTag("x", "so", hint="look again"),
        ManifestUnknown("gone", request=Exchange("GET", "http://r.example/v2/a/manifests/t")),
        Unreachable("r.example: silent", registry="r.example"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_reaches_another_process_whole(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
