"""Requests made from the description of the API are answered as it says: status, media type, schema, codes, headers.

Schemathesis makes them, and looks at the answers. `make test` takes a few of them, the same each time, to what is there;
`make soak` takes thousands, to whatever they make up, and others each time.
"""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.conftest import Served
from tests.fuzz.form import well_formed
from tests.server.asking import Answer, begin, digest_of, push_image
from wherry.server.openapi.document import describe
from wherry.server.routes import Endpoint

DOCUMENT = json.loads(describe(frozenset(Endpoint)))
OPERATIONS = [f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PATIENCE = 20  # seconds for one answer

CALM: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.generate,),  # to shrink an example takes minutes here, and they are small
}
few = settings(**CALM, max_examples=4, derandomize=True, database=None)
many = settings(**CALM, max_examples=100)
soak = pytest.mark.soak
BREAKABLE = ("POST", "PUT", "PATCH")


@pytest.fixture(scope="module")
def api() -> Any:
    return schemathesis.openapi.from_dict(DOCUMENT)


def operation_of(api: Any, label: str) -> Any:
    method, path = label.split(" ")
    return api[path][method]


def known(served: Served, label: str) -> dict[str, str]:
    """What is there, in place of what could be made up: else nearly all answers are 404."""
    there = {"name": "a", "reference": "v1", "digest": digest_of(b"layer")}
    if "{id}" in label:
        there["id"] = served.run(begin(served.registry, "a")).rpartition("/")[2]
    if label.startswith("DELETE"):  # an example before this one may have
        served.run(push_image(served.registry, "a", "v1", b"layer"))
    return {name: value for name, value in there.items() if f"{{{name}}}" in label}


def as_described(served: Served, case: Any) -> None:
    case.validate_response(asked(served, case), checks=CHECKS)


def in_good_form(served: Served, case: Any) -> None:
    response = asked(served, case)
    headers = [(name.lower(), value) for name, values in response.headers.items() for value in values]
    well_formed(Answer(response.status_code, headers, response.content), case.method)


def asked(served: Served, case: Any) -> Response:
    response = case.call(base_url=served.registry.url, timeout=PATIENCE, allow_redirects=False)
    assert isinstance(response, Response)
    return response


@pytest.mark.parametrize("label", OPERATIONS)
def test_a_request_as_it_is_described_is_answered_as_it_is_described(served, api, label):
    operation = operation_of(api, label)
    path_parameters = known(served, label)

    @few
    @given(case=operation.as_strategy(path_parameters=path_parameters))
    def answered(case: Any) -> None:
        as_described(served, case)

    answered()


@pytest.mark.parametrize("label", [label for label in OPERATIONS if label.startswith(BREAKABLE)])
def test_a_request_that_breaks_the_description_is_refused_in_good_form(served, api, label):
    operation = operation_of(api, label)
    path_parameters = known(served, label)

    @few
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE, path_parameters=path_parameters))
    def answered(case: Any) -> None:
        in_good_form(served, case)

    answered()


@soak
@pytest.mark.parametrize("label", OPERATIONS)
def test_many_requests_as_they_are_described(served, api, label):
    @many
    @given(case=operation_of(api, label).as_strategy(), is_known=st.booleans())
    def answered(case: Any, is_known: bool) -> None:
        if is_known:
            case.path_parameters = known(served, label)
        as_described(served, case)

    answered()


@soak
@pytest.mark.parametrize("label", [label for label in OPERATIONS if "{" in label])
def test_many_requests_that_break_the_description(served, api, label):
    cases = operation_of(api, label).as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @many
    @given(case=cases, is_known=st.booleans())
    def answered(case: Any, is_known: bool) -> None:
        if is_known:
            case.path_parameters = known(served, label)
        in_good_form(served, case)

    answered()


def test_a_registry_without_what_was_described_would_be_found_out(served, api):
    """The checks bite: an answer that is not as described is none."""
    case = operation_of(api, "GET /v2/{name}/tags/list").Case(path_parameters={"name": "a"})
    true = asked(served, case)
    case.validate_response(true, checks=CHECKS)
    told = {"status_code": true.status_code, "headers": true.headers, "content": true.content}
    for lie in ({"status_code": 418}, {"content": b'{"tags": 1}'}, {"headers": {}}):
        changed = Response(**(told | lie), request=true.request, elapsed=0, verify=False)
        with pytest.raises((FailureGroup, Failure)):
            case.validate_response(changed, checks=CHECKS)
