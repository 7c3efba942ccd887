"""The AsyncAPI document names everything that is said by WebSocket, and every example is right."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from roomlog.realtime.asyncapi import encoded
from roomlog.realtime.asyncapi.conversation import UNASKED
from roomlog.realtime.asyncapi.examples import EXAMPLES, Example
from roomlog.realtime.asyncapi.schemas import fit
from roomlog.realtime.handshake import first_subscription, offered_token, split_query
from roomlog_contract import events as ev
from roomlog_contract import frames as fr
from roomlog_contract.errors import CloseCode, ErrorCode
from roomlog_contract.frames import ServerFrame, WebSocketMessage
from tests.asyncapi.conformance import client_frame_problems, server_frame_problems

COPY = Path(__file__).parents[2] / "docs" / "protocol" / "asyncapi.json"
COMMAND = "python -m roomlog.realtime.asyncapi > docs/protocol/asyncapi.json"
CHANNELS = ("room", "user")
CLIENT = get_args(WebSocketMessage)
SERVER = get_args(ServerFrame)
Struct = type[msgspec.Struct]


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return json.loads(encoded())


def tag(struct: Struct) -> str:
    return str(struct.__struct_config__.tag)


def names(references: list[dict[str, str]]) -> set[str]:
    return {reference["$ref"].rpartition("/")[2] for reference in references}


def operations(whole: dict[str, Any], channel: str, action: str) -> dict[str, dict[str, Any]]:
    """By the name of the one message that each is about."""
    return {
        "".join(names(operation["messages"])): operation
        for operation in whole["operations"].values()
        if operation["action"] == action
        and operation["channel"] == {"$ref": f"#/channels/{channel}"}
    }


def test_the_copy_among_the_documentation_is_fresh():
    assert COPY.read_bytes() == encoded(), f"run .venv/bin/{COMMAND}"


def test_the_documentation_links_the_copy_and_names_the_command_that_makes_it():
    page = (COPY.parent / "websocket.md").read_text()

    assert "](asyncapi.json)" in page
    assert COMMAND in page
    assert "/schema/asyncapi.json" in page


@pytest.mark.parametrize("frame", [*CLIENT, *SERVER], ids=lambda frame: frame.__name__)
def test_every_frame_is_a_message_that_says_what_it_is_with_all_its_fields(
    whole: dict[str, Any], frame: Struct
):
    message = whole["components"]["messages"][frame.__name__]
    schema = whole["components"]["schemas"][frame.__name__]

    assert message["title"] == tag(frame)
    assert message["payload"] == {"$ref": f"#/components/schemas/{frame.__name__}"}
    assert message["summary"]
    assert frame.__doc__
    assert message["examples"]
    assert schema["properties"]["type"] == {"type": "string", "const": tag(frame)}
    assert schema["properties"].keys() == {"type", *frame.__struct_fields__}
    for channel in CHANNELS:
        assert frame.__name__ in whole["channels"][channel]["messages"]


@pytest.mark.parametrize("event", get_args(ev.Event), ids=lambda event: event.__name__)
def test_every_event_is_one_that_a_frame_may_carry_with_all_its_fields_and_an_example(
    whole: dict[str, Any], event: Struct
):
    shapes = whole["components"]["schemas"]
    carried = shapes["MessageBroadcast"]["properties"]["event"]["anyOf"]
    examples = whole["components"]["messages"]["MessageBroadcast"]["examples"]

    assert event.__name__ in names(carried)
    assert shapes[event.__name__]["description"]
    assert shapes[event.__name__]["properties"].keys() == {"type", *event.__struct_fields__}
    assert tag(event) in {example["payload"]["event"]["type"] for example in examples}


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_server_receives_every_client_frame_and_may_refuse_it(
    whole: dict[str, Any], channel: str
):
    received = operations(whole, channel, "receive")

    assert received.keys() == {frame.__name__ for frame in CLIENT}
    for operation in received.values():
        assert operation["reply"]["channel"] == operation["channel"]
        assert "Error" in names(operation["reply"]["messages"])


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        (fr.Subscribe, {fr.Subscribed, fr.Live}),
        (fr.Unsubscribe, {fr.Unsubscribed}),
        *((write, {fr.Ack}) for write in (fr.Send, fr.Edit, fr.Delete, fr.React, fr.Unreact)),
        *((told, set()) for told in (fr.Typing, fr.Seen)),
        (fr.Ping, {fr.Pong}),
        (fr.Auth, {fr.Authenticated}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_every_client_frame_has_its_answer(
    whole: dict[str, Any], asked: Struct, answers: set[Struct]
):
    for channel in CHANNELS:
        reply = operations(whole, channel, "receive")[asked.__name__]["reply"]["messages"]

        assert names(reply) - {"Error"} == {frame.__name__ for frame in answers}


def test_every_server_frame_is_an_answer_or_comes_unasked(whole: dict[str, Any]):
    for channel in CHANNELS:
        sent = operations(whole, channel, "send").keys()
        received = operations(whole, channel, "receive").values()
        answers = {name for one in received for name in names(one["reply"]["messages"])}

        assert sent | answers == {frame.__name__ for frame in SERVER}
        assert sent == {frame.__name__ for frame in UNASKED[channel]}


def test_every_error_code_is_there_with_its_meaning(whole: dict[str, Any]):
    shape = whole["components"]["schemas"]["ErrorCode"]

    assert set(shape["enum"]) == shape["x-enum-descriptions"].keys() == set(ErrorCode)
    for code in ErrorCode:
        assert (
            f"| `{code}` | {shape['x-enum-descriptions'][code]} |" in whole["info"]["description"]
        )


def test_every_close_code_is_there_with_its_meaning(whole: dict[str, Any]):
    codes = {value for name, value in vars(CloseCode).items() if not name.startswith("_")}
    told = {
        channel: {
            one["code"]: one["meaning"] for one in whole["channels"][channel]["x-close-codes"]
        }
        for channel in CHANNELS
    }

    assert set(whole["components"]["schemas"]["CloseCode"]["enum"]) == codes
    assert told["room"].keys() == codes
    assert told["user"].keys() == codes - {CloseCode.NOT_A_MEMBER, CloseCode.NO_SUCH_ROOM}
    for code, meaning in told["room"].items():
        assert meaning
        assert f"| {code} | {meaning} |" in whole["info"]["description"]


def test_every_server_takes_a_token_in_each_of_the_three_ways(whole: dict[str, Any]):
    schemes = whole["components"]["securitySchemes"]
    header, protocol, query = (schemes[name] for name in ("header", "subprotocol", "query"))

    assert (header["type"], header["scheme"]) == ("http", "bearer")
    assert offered_token(f"{header['scheme']} T", [], None) == "T"
    assert (protocol["in"], protocol["name"]) == ("header", "Sec-WebSocket-Protocol")
    offered = re.findall(r"[\w.]+(?:<token>)?", protocol["description"].split("`")[1])
    assert offered_token(None, [one.replace("<token>", "T") for one in offered], None) == "T"
    assert query["in"] == "query"
    assert split_query(f"{query['name']}=T") == ("", "T")
    for server in whole["servers"].values():
        assert names(server["security"]) == schemes.keys()


def test_the_query_is_what_the_server_reads_of_it(whole: dict[str, Any]):
    room = whole["channels"]["room"]["bindings"]["ws"]["query"]["properties"]
    user = whole["channels"]["user"]["bindings"]["ws"]["query"]["properties"]

    assert user.keys() == {"token"}
    assert room.keys() == {"after", "epoch", "html", "token"}
    assert room["after"]["type"] == "integer"
    assert room["epoch"]["type"] == "string"
    assert room["html"]["type"] == "boolean"
    read = first_subscription("after=7&epoch=e&html=true", "r")
    assert (read.after, read.epoch, read.html) == (7, "e", True)
    assert first_subscription("html=false", "r") == fr.Subscribe(room_id="r")


def _examples() -> Iterator[tuple[Struct, Example]]:
    for frame, examples in EXAMPLES.items():
        yield from ((frame, example) for example in examples)


@pytest.mark.parametrize(
    ("frame", "example"), list(_examples()), ids=lambda value: getattr(value, "name", None)
)
def test_every_example_is_its_frame_and_fits_its_schema(frame: Struct, example: Example):
    payload = msgspec.to_builtins(example.frame)
    problems = client_frame_problems if frame in CLIENT else server_frame_problems
    union = WebSocketMessage if frame in CLIENT else ServerFrame

    assert type(example.frame) is frame
    assert problems(payload) == []
    assert msgspec.json.decode(msgspec.json.encode(payload), type=union) == example.frame


def test_the_schemas_tell_a_wrong_frame_from_a_right_one():
    right = {"type": "send", "ref": "1", "content": "smoke"}
    wrong = [
        {"type": "shout"},
        {**right, "ref": 1},
        {**right, "ref": "x" * 201},
        {**right, "contents": "smoke"},
        {**right, "message_type": "song"},
        {"type": "send", "ref": "1"},
        {"type": "seen", "sequence": -1},
    ]

    assert client_frame_problems(right) == []
    assert [frame for frame in wrong if not client_frame_problems(frame)] == []


def test_every_reference_leads_somewhere_and_stands_alone(whole: dict[str, Any]):
    for place in _references(whole):
        found = whole
        for name in place.removeprefix("#/").split("/"):
            found = found[name]


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for one in part:
            yield from _references(one)
    elif isinstance(part, dict):
        if "$ref" in part:
            assert part.keys() == {"$ref"}
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)


@pytest.mark.parametrize(
    ("made", "fitted"),
    [
        (
            {
                "anyOf": [{"$ref": "#/A"}, {"$ref": "#/B"}],
                "discriminator": {"propertyName": "type"},
            },
            {"anyOf": [{"$ref": "#/A"}, {"$ref": "#/B"}]},
        ),
        ({"properties": {"discriminator": {"type": "string"}}},) * 2,
        ({"$ref": "#/A", "default": 1}, {"allOf": [{"$ref": "#/A"}], "default": 1}),
        ({"enum": ["send"]}, {"type": "string", "const": "send"}),
        ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"title": "A", "enum": ["a"]}, {"type": "string", "title": "A", "enum": ["a"]}),
        (
            {"anyOf": [{"type": "string", "description": "d"}, {"type": "null"}], "default": None},
            {"description": "d", "anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        ),
        ({"description": "One.\n\n    Two."}, {"description": "One.\n\nTwo."}),
        ({"items": {"enum": ["a"]}}, {"items": {"type": "string", "const": "a"}}),
        ({"default": {"discriminator": 1}},) * 2,
    ],
)
def test_schemas_are_made_to_fit(made: dict[str, Any], fitted: dict[str, Any]):
    assert fit(made) == fitted
