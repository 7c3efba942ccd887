"""The OpenAPI document: whole, true to the code, and with examples that are what they show."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
import schemathesis
from litestar.routes import HTTPRoute

from roomlog.core.content import clean_text
from roomlog.http.cross_origin import cross_origin
from roomlog.http.openapi.operations import OPERATIONS
from roomlog.http.openapi.shapes import NOT_BLANK
from roomlog.http.requests import SEQUENCE_MAX
from roomlog_contract.errors import HTTP_STATUS, ErrorCode
from tests.house.repository import ROOT
from tests.integration.http.api import Api
from tests.integration.http.conformance import application, document, faults, operations, resolve

PROBLEM = "application/problem+json"
# Told over WebSocket alone, and an answer to what is no operation.
NOT_OF_OPERATIONS = {ErrorCode.UNKNOWN_TYPE, ErrorCode.METHOD_NOT_ALLOWED}
# Described by HTTP itself, and by OpenAPI in words of its own.
OF_HTTP = {"accept", "authorization", "content-type"}
_HEADER = re.compile(r"[A-Z][A-Za-z]*(-[A-Z][A-Za-z]*)*")

Named = tuple[str, dict[str, Any]]


def each_operation() -> Iterator[Named]:
    for (method, path), operation in operations().items():
        yield f"{method} {path}", operation


def each_response() -> Iterator[Named]:
    for name, operation in each_operation():
        for status, told in operation["responses"].items():
            yield f"{name} {status}", resolve(told)


def each_content() -> Iterator[Named]:
    """Every body, of requests and of answers."""
    for name, operation in each_operation():
        if "requestBody" in operation:
            for media_type, content in operation["requestBody"]["content"].items():
                yield f"{name} {media_type}", content
    for name, told in each_response():
        for media_type, content in told.get("content", {}).items():
            yield f"{name} {media_type}", content


def each_parameter() -> Iterator[Named]:
    for name, operation in each_operation():
        for parameter in map(resolve, operation["parameters"]):
            yield f"{name} {parameter['name']}", parameter


def codes_of(told: dict[str, Any]) -> set[str]:
    """The codes that a response of problems names."""
    schema = told["content"][PROBLEM]["schema"]
    if "allOf" not in schema:
        return set()
    return set(schema["allOf"][1]["properties"]["code"]["enum"])


def test_it_is_served_as_it_is_made(api: Api) -> None:
    answer = api.client.get("/schema/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == document()


def test_it_is_openapi_3_1() -> None:
    assert document()["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(document()).validate()


def test_every_reference_leads_somewhere_and_everything_is_referred_to() -> None:
    used = set(re.findall(r'"#/components/(\w+/[^"]+)"', json.dumps(document())))
    there = {
        f"{kind}/{name}"
        for kind, named in document()["components"].items()
        for name in named
        if kind != "securitySchemes"
    }
    assert used <= there
    assert there - used == {"responses/MethodNotAllowed"}


def test_every_route_of_the_application_is_in_it() -> None:
    routes = {
        (str(method), route.path_format)
        for route in application().routes
        if isinstance(route, HTTPRoute) and not route.path_format.startswith("/schema")
        for handler in route.route_handlers
        if not handler.fn.__module__.endswith("_page")  # what browsers show to people
        for method in handler.http_methods - {"OPTIONS"}
    }
    assert routes == set(operations())
    assert {operation["operationId"] for operation in operations().values()} == set(OPERATIONS)


@pytest.mark.parametrize(("name", "operation"), list(each_operation()))
def test_every_operation_says_what_it_is(name: str, operation: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document()["tags"]}
    assert len(operation["tags"]) == 1
    assert set(operation["tags"]) <= tags
    assert 5 < len(operation["summary"]) < 100
    assert operation["description"].startswith(operation["summary"])
    assert operation["security"] == ([{"bearer": []}] if " /api/" in name else [])
    for link in operation["responses"].get("201", {}).get("links", {}).values():
        assert link["operationId"] in OPERATIONS


def test_links_name_parameters_that_their_operations_have() -> None:
    by_id = {operation["operationId"]: operation for operation in operations().values()}
    links = [link for _, told in each_response() for link in told.get("links", {}).values()]
    assert len(links) >= 10
    for link in links:
        there = {resolve(each)["name"] for each in by_id[link["operationId"]]["parameters"]}
        assert {name.removeprefix("header.") for name in link["parameters"]} <= there


def test_every_parameter_is_described_and_its_example_is_one() -> None:
    for name, parameter in each_parameter():
        assert len(parameter["description"]) > 5, name
        assert len(parameter["schema"]["examples"]) == 1, name
        assert faults(parameter["schema"]["examples"][0], parameter["schema"]) == [], name
        # A page would fill it in by itself, as if every parameter were to be sent.
        assert "example" not in parameter, name


def test_every_body_has_examples_of_its_schema() -> None:
    for name, content in each_content():
        assert content["examples"], name
        for example in content["examples"].values():
            assert faults(example["value"], content["schema"]) == [], name


def test_every_header_is_described_and_its_example_is_one() -> None:
    for name, header in document()["components"]["headers"].items():
        assert len(header["description"]) > 5, name
        assert faults(header["example"], header["schema"]) == [], name


@pytest.mark.parametrize(("name", "told"), list(each_response()))
def test_every_error_is_a_problem_with_its_codes_and_headers(
    name: str, told: dict[str, Any]
) -> None:
    status = int(name.rpartition(" ")[2])
    assert told["description"]
    assert resolve(told["headers"]["X-Request-ID"])["required"]
    if status < 400:
        return
    assert list(told["content"]) == [PROBLEM]
    examples = told["content"][PROBLEM]["examples"]
    assert codes_of(told) <= examples.keys()
    assert {HTTP_STATUS[ErrorCode(code)] for code in codes_of(told)} <= {status}
    for code in codes_of(told):
        assert examples[code]["value"]["code"] == code
        assert examples[code]["value"]["status"] == status
    if status in {429, 503}:
        assert resolve(told["headers"]["Retry-After"])["required"]
    if status == 401:
        assert resolve(told["headers"]["WWW-Authenticate"])["required"]
    if "rate_limited" in codes_of(told):
        assert {"RateLimit", "RateLimit-Policy"} <= told["headers"].keys()


def test_every_error_code_is_told_by_some_operation() -> None:
    told = {
        code
        for name, response in each_response()
        if int(name.rpartition(" ")[2]) >= 400
        for code in codes_of(response)
    }
    assert told == {code.value for code in ErrorCode if code not in NOT_OF_OPERATIONS}
    refused = resolve({"$ref": "#/components/responses/MethodNotAllowed"})
    assert codes_of(refused) == {"method_not_allowed"}
    assert "Allow" in refused["headers"]


def _sources() -> Iterator[ast.AST]:
    """The source of what answers over HTTP, without the document's own and pages for people."""
    for path in sorted((ROOT / "src" / "roomlog" / "http").glob("*.py")):
        if not path.stem.endswith("_page"):
            yield from ast.walk(ast.parse(path.read_text()))


def test_every_header_that_the_code_sets_is_in_it() -> None:
    keys = [
        key
        for node in _sources()
        if isinstance(node, ast.Dict | ast.Subscript)
        for key in (node.keys if isinstance(node, ast.Dict) else [node.slice])
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    ]
    names = {key.value for key in keys if _HEADER.fullmatch(cast("str", key.value))}
    # The id of the request is put on in lower case, as bytes.
    assert {*names, "X-Request-ID"} - {"Content-Type"} == set(document()["components"]["headers"])


def test_every_request_header_that_the_code_reads_is_in_it() -> None:
    read = {
        node.args[0].value.lower()
        for node in _sources()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == "headers"
        and isinstance(node.args[0], ast.Constant)
    }
    # That one is only ever refused.
    assert read == OF_HTTP | {"content-encoding"}


def test_pages_of_other_origins_may_use_exactly_the_headers_that_it_names() -> None:
    config = cross_origin(["https://chat.example.org"])
    assert config is not None
    asked = {p["name"].lower() for _, p in each_parameter() if p["in"] == "header"}
    assert {name.lower() for name in config.allow_headers} == asked | OF_HTTP
    # These two say nothing to a page, or only together with what its browser does by itself.
    told = set(document()["components"]["headers"])
    told -= {"Cache-Control", "WWW-Authenticate", "X-Accel-Buffering", "Allow"}
    assert set(config.expose_headers) == told


def test_what_is_not_blank_is_the_same_in_the_document_and_in_the_code() -> None:
    pattern = re.compile(NOT_BLANK)
    others = [
        chr(point)
        for point in range(1, 0x110000)
        if not 0xD800 <= point <= 0xDFFF
        and bool(pattern.search(chr(point))) != bool(clean_text(chr(point)).strip())
    ]
    assert others == []


def test_no_number_may_be_larger_than_the_log_can_count() -> None:
    """A bound that passed through a float is one too large, and what it allows is refused."""
    parameters = [resolve(p) for o in operations().values() for p in o.get("parameters", [])]
    bounds = {p["name"]: p["schema"]["maximum"] for p in parameters if "maximum" in p["schema"]}

    assert {"after", "sequence", "from", "to", "size"} <= bounds.keys()
    assert {name: most for name, most in bounds.items() if most > SEQUENCE_MAX} == {}
