"""Names that others look for are found under exactly these names."""

from importlib import import_module

import pytest

_NAMES = {
    "roomlog.realtime.websocket_manager": {
        "WebSocketManager": [
            *("connect", "disconnect", "broadcast_to_room", "send_personal"),
            "get_room_connections",
        ],
    },
    "roomlog.core.message_types": {
        "handle_text_message": [],
        "handle_image_reference": [],
        "handle_file_reference": [],
        "handle_incident_data": [],
        "handle_system_message": [],
    },
    "roomlog.services.message_service": {
        "MessageService": [
            *("create_message", "get_messages", "edit_message", "delete_message"),
            "search_messages",
        ],
    },
    "roomlog.services.reaction_service": {
        "ReactionService": [
            *("add_reaction", "remove_reaction"),
            *("get_message_reactions", "get_reaction_counts"),
        ],
    },
    "roomlog.postgres.models": {"Message": [], "MessageReaction": [], "MessageEditHistory": []},
    "roomlog_contract.frames": {"WebSocketMessage": [], "MessageBroadcast": []},
    "roomlog_contract.resources": {
        "MessageCreate": [],
        "MessageResponse": [],
        "ReactionRequest": [],
        "ReactionResponse": [],
    },
    "roomlog_contract.types": {"MessageType": [], "SystemEventType": []},
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in _NAMES.items() for name in names]
)
def test_the_name_is_there_with_its_methods(module: str, name: str):
    found = getattr(import_module(module), name)

    assert [m for m in _NAMES[module][name] if not callable(getattr(found, m, None))] == []


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("incident_rooms", set()),
        ("room_members", {"room_id", "user_id"}),
        (
            "messages",
            {
                *("message_id", "room_id", "sender_id", "content", "message_type", "metadata"),
                *("created_at", "edited_at", "deleted_at", "sequence_number"),
            },
        ),
        ("message_reactions", {"reaction_id", "message_id", "user_id", "emoji"}),
        (
            "message_edit_history",
            {"edit_id", "message_id", "original_content", "edited_by", "edited_at"},
        ),
    ],
)
def test_the_table_is_there_with_its_columns(table: str, columns: set[str]):
    tables = import_module("roomlog.postgres.models").Base.metadata.tables
    found = next(t for t in tables.values() if t.name == table)

    assert columns <= {column.name for column in found.columns}
