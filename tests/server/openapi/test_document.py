"""The description of the API: valid OpenAPI, the same endpoints as the server has, the grammars that it reads with."""

import json
import re
import subprocess
import sys

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.specs.openapi.definitions import OPENAPI_31

from tests.server.asking import ask
from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidValue
from wherry.oci.reference import Tag, check_name
from wherry.server.application import Application
from wherry.server.health import Health
from wherry.server.openapi.document import describe, path_of
from wherry.server.openapi.headers import HEADERS, PARAMETERS
from wherry.server.openapi.operations import OPERATIONS
from wherry.server.openapi.schemas import DIGEST_PATTERN, NAME_PATTERN, SCHEMAS, TAG_PATTERN
from wherry.server.routes import Endpoint, find_route

DOCUMENT = json.loads(describe(frozenset(Endpoint)))
DIGEST = str(Digest.of(b""))
METHODS = ("get", "head", "put", "post", "patch", "delete")


def test_the_document_is_valid_openapi():
    found = [error.message for error in jsonschema_rs.validator_for(OPENAPI_31).iter_errors(DOCUMENT)]
    assert found == []


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_each_schema_is_a_valid_schema(name):
    jsonschema_rs.meta.validate({**SCHEMAS[name], "$schema": "https://json-schema.org/draft/2020-12/schema"})


async def test_document_and_server_have_the_same_endpoints_and_methods(registry):
    assert registry.registry is not None
    served = Application(registry.registry, Health(registry.data)).methods
    described = {path: {method.upper() for method in item} for path, item in DOCUMENT["paths"].items()}
    assert described == {path_of(endpoint): set(methods) for endpoint, methods in served.items()}
    assert set(Endpoint) - set(served) == {Endpoint.UNKNOWN}


@pytest.mark.parametrize("endpoint", [each for each in Endpoint if each is not Endpoint.UNKNOWN], ids=str)
def test_the_path_of_an_endpoint_is_one_that_the_server_reads(endpoint):
    values = {"name": "a/b", "reference": "v1", "digest": DIGEST, "id": "1-2"}
    route = find_route(path_of(endpoint).format_map(values))
    assert route.endpoint is endpoint
    assert set(re.findall(r"{(\w+)}", path_of(endpoint))) == {
        PARAMETERS[name]["name"]
        for (of, method), each in OPERATIONS.items()
        if of is endpoint and method in ("GET", "POST")
        for name in each.parameters
        if PARAMETERS[name]["in"] == "path"
    }


def test_nothing_is_described_that_nothing_uses():
    text = json.dumps(DOCUMENT)
    for kind, parts in (("schemas", SCHEMAS), ("parameters", PARAMETERS)):
        for name in parts:
            assert f'"#/components/{kind}/{name}"' in text
    shown = {
        name
        for item in DOCUMENT["paths"].values()
        for each in item.values()
        for response in each["responses"].values()
        for name in response["headers"]
    }
    assert shown == set(HEADERS)


def test_only_get_is_described_with_ranges():
    get, head = (DOCUMENT["paths"][path_of(Endpoint.BLOB)][method] for method in ("get", "head"))
    assert set(get["responses"]) - set(head["responses"]) == {"206", "416"}
    names = [{each["$ref"].rpartition("/")[2] for each in method["parameters"]} for method in (get, head)]
    assert names[0] - names[1] == {"range", "if-range"}


def test_operations_have_names_of_their_own():
    names = [each["operationId"] for item in DOCUMENT["paths"].values() for each in item.values()]
    assert len(names) == len(set(names))


GRAMMARS = {"name": (NAME_PATTERN, check_name), "tag": (TAG_PATTERN, Tag), "digest": (DIGEST_PATTERN, Digest.parse)}


@pytest.mark.parametrize("grammar", GRAMMARS)
@given(data=st.data())
def test_the_patterns_are_what_the_server_reads(grammar, data):
    pattern, read = GRAMMARS[grammar]
    text = data.draw(
        st.one_of(
            st.from_regex(pattern.removesuffix("$") + r"\Z").filter(lambda text: len(text) <= 255),
            st.text("aA0._-/:", max_size=12),
            st.text(max_size=5).map(lambda text: f"a{text}"),
        )
    )
    try:
        read(text)
        is_read = True
    except InvalidValue:
        is_read = False
    assert bool(re.fullmatch(pattern.removesuffix("$"), text)) == is_read


async def test_the_server_shows_the_document(registry):
    answer = await ask(registry, "GET", "/openapi.json")
    assert (answer.status, answer.header("Content-Type"), answer.json) == (200, "application/json", DOCUMENT)
    assert (await ask(registry, "HEAD", "/openapi.json")).header("Content-Length") == str(len(answer.body))
    refused = await ask(registry, "PUT", "/openapi.json", b"{}")
    assert (refused.status, refused.header("Allow")) == (405, "GET, HEAD")


def test_a_server_starts_without_the_document():
    program = "import sys, wherry.server.running; print(*(name for name in sys.modules if 'openapi' in name))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"
