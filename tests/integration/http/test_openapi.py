"""The OpenAPI document, and random requests made from it against a running server."""

import json
import random
import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from roomlog_contract.errors import ErrorCode
from tests.integration.http.api import ANA, BEN, Api

SCHEMA = "/schema/openapi.json"
EXAMPLES_PER_OPERATION = 50
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def document(api: Api) -> dict[str, Any]:
    answer = api.client.get(SCHEMA)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def test_the_document_is_openapi_3_1_and_every_reference_leads_somewhere(
    document: dict[str, Any],
) -> None:
    assert document["openapi"].startswith("3.1")
    shapes = document["components"]["schemas"]
    used = set(re.findall(r"#/components/schemas/([^\"]+)", json.dumps(document)))
    assert used <= shapes.keys()
    assert set(shapes["ErrorCode"]["enum"]) == {code.value for code in ErrorCode}


def test_every_operation_tells_its_errors_as_problems(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        responses = operation["responses"]
        assert "400" not in responses
        for status, response in responses.items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"]
        if path.startswith("/api/"):
            assert {"401", "422", "503"} <= responses.keys()
            assert operation["security"] == [{"bearer": []}]


def test_the_document_names_every_route_of_the_contract(document: dict[str, Any]) -> None:
    told = {f"{method.upper()} {path}" for path, method, _ in operations(document)}
    room, message = "/api/rooms/{room_id}", "/api/messages/{message_id}"
    assert told == {
        "POST /api/rooms",
        "GET /api/rooms",
        f"GET {room}",
        f"PATCH {room}",
        f"GET {room}/members",
        f"PUT {room}/members/{{user_id}}",
        f"DELETE {room}/members/{{user_id}}",
        f"PUT {room}/read-marker",
        f"GET {room}/messages",
        f"POST {room}/messages",
        f"GET {room}/messages/search",
        f"GET {room}/messages/{{message_id}}",
        f"GET {room}/messages/{{message_id}}/history",
        f"PATCH {message}",
        f"DELETE {message}",
        f"POST {message}/reactions",
        f"GET {message}/reactions",
        f"DELETE {message}/reactions/{{emoji}}",
        f"GET {room}/events",
        f"GET {room}/online",
        f"GET {room}/typing",
        "POST /api/broadcast",
        f"GET {room}/stats",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
    }


@pytest.mark.parametrize("mode", GenerationMode)
def test_random_requests_get_only_what_the_document_says(
    api: Api, document: dict[str, Any], mode: GenerationMode
) -> None:
    number = random.SystemRandom().randrange(2**32)
    print(f"hypothesis seed: {number}")
    schema = schemathesis.openapi.from_dict(document)
    statuses: set[int] = set()
    for path, method, operation in operations(document):
        if mode is GenerationMode.NEGATIVE and not {"parameters", "requestBody"} & operation.keys():
            continue
        # A room and a message of its own, so that no operation spoils another's.
        room = api.room((BEN, "responder"))
        message = room.send(ANA, "to be fuzzed")["message_id"]
        ids = {"room_id": room.room_id, "message_id": message}
        statuses |= fuzz(api, schema[path][method], mode, number, ids)
    expected = {200, 201, 404} if mode is GenerationMode.POSITIVE else {422}
    assert expected <= statuses


def fuzz(
    api: Api, operation: Any, mode: GenerationMode, number: int, ids: dict[str, str]
) -> set[int]:
    """Ask at random, mostly with a token and about what is there."""
    statuses = set()

    @seed(number)
    @settings(
        max_examples=EXAMPLES_PER_OPERATION,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=mode), known=st.sampled_from([False, True, True])
    )
    def requests_conform(case: Any, *, known: bool) -> None:
        if known:
            case.path_parameters |= {k: v for k, v in ids.items() if k in case.path_parameters}
            case.headers.pop("Authorization", None)
        answer = case.call(base_url=api.stack.base_url, headers=api.headers(ANA))
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    requests_conform()
    return statuses
