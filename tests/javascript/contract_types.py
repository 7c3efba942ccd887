"""The contract as TypeScript: what `roomlog_contract` defines, for clients in that language.

`python -m tests.javascript.contract_types` writes the file anew; a test holds it fresh.
"""

import inspect
import types
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UnsetType

from roomlog_contract import errors, fold, frames, resources, stored
from roomlog_contract import events as ev
from roomlog_contract import types as words
from tests.house.repository import ROOT

CONTRACT = ROOT / "src" / "roomlog-js" / "src" / "contract.gen.ts"
_LINE_MAX = 100
_PLAIN = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    Any: "unknown",
    type(None): "null",
}
_HEAD = """\
// Made from the contract's structs by tests/javascript/contract_types.py: never edited by hand.
"""


def contract() -> str:
    """The whole file."""
    parts = [
        _HEAD,
        *(_words(one) for one in _enums()),
        *_limits(),
        _close_codes(),
        _event_types(),
        *(_interface(one) for one in get_args(ev.Event)),
        _union("AnyEvent", get_args(ev.Event), "Any event, flattened for readers."),
        _interface(ev.RoomEvent),
        _interface(stored.Envelope),
        *(_interface(one) for one in get_args(frames.WebSocketMessage)),
        _union("ClientFrame", get_args(frames.WebSocketMessage), "What a client may say."),
        *(_interface(one) for one in get_args(frames.ServerFrame)),
        _union("ServerFrame", get_args(frames.ServerFrame), "What a server may say."),
        *(_interface(one) for one in _structs_of(resources)),
        *(_interface(one) for one in _structs_of(errors)),
    ]
    return "\n".join(parts)


def _enums() -> Iterator[type[StrEnum]]:
    for module in (words, errors, fold):
        for value in vars(module).values():
            if _defined_in(value, module) and issubclass(value, StrEnum):
                yield value


def _structs_of(module: types.ModuleType) -> Iterator[type[msgspec.Struct]]:
    for value in vars(module).values():
        if _defined_in(value, module) and issubclass(value, msgspec.Struct):
            yield value


def _defined_in(value: object, module: types.ModuleType) -> bool:
    return inspect.isclass(value) and value.__module__ == module.__name__


def _words(enum: type[StrEnum]) -> str:
    constant = "".join(f"_{c}" if c.isupper() else c.upper() for c in enum.__name__).lstrip("_")
    values = "".join(f'  "{word.value}",\n' for word in enum)
    return (
        f"{_comment(enum)}export const {constant}_VALUES = [\n{values}] as const;\n"
        f"export type {enum.__name__} = (typeof {constant}_VALUES)[number];\n"
    )


def _limits() -> Iterator[str]:
    for module in (resources, frames):
        for name, value in vars(module).items():
            if name.endswith(("_MAX", "_DEFAULT")) and name not in vars(words):
                if module is frames and name in vars(resources):
                    continue
                yield f"export const {name} = {value};\n"


def _close_codes() -> str:
    codes = {name: code for name, code in vars(errors.CloseCode).items() if name.isupper()}
    lines = "".join(f"  {name}: {code},\n" for name, code in codes.items())
    return f"{_comment(errors.CloseCode)}export const CLOSE_CODE = {{\n{lines}}} as const;\n"


def _event_types() -> str:
    types = "".join(f"  {_quoted(one.__struct_config__.tag)},\n" for one in get_args(ev.Event))
    return (
        "/** The types of events that there are. */\n"
        f"export const EVENT_TYPE_VALUES = [\n{types}] as const;\n"
    )


def _interface(struct: type[msgspec.Struct]) -> str:
    tag = struct.__struct_config__.tag
    generic = "".join(f"<{p.__name__}>" for p in getattr(struct, "__parameters__", ()))
    lines = [f"  type: {_quoted(tag)};\n"] if isinstance(tag, str) else []
    for field in msgspec.structs.fields(struct):
        given = field.default is not NODEFAULT or field.default_factory is not NODEFAULT
        lines.append(f"  {field.encode_name}{'?' if given else ''}: {_type(field.type)};\n")
    return f"{_comment(struct)}export interface {_name(struct)}{generic} {{\n{''.join(lines)}}}\n"


def _name(struct: type[msgspec.Struct]) -> str:
    """Frames are told from the globals `Error` and `Event` by their names."""
    return f"{struct.__name__}Frame" if struct.__module__ == frames.__name__ else struct.__name__


def _union(name: str, members: tuple[type[msgspec.Struct], ...], meaning: str) -> str:
    lines = "".join(f"\n  | {_name(one)}" for one in members)
    return f"/** {meaning} */\nexport type {name} ={lines};\n"


def _type(kind: Any) -> str:
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, given = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type(given[0])
    if origin is Literal:
        return " | ".join(_quoted(one) for one in given)
    if origin in {Union, types.UnionType}:
        return _alternatives(given)
    if origin is list:
        element = _type(given[0])
        return f"({element})[]" if " " in element else f"{element}[]"
    if origin is dict:
        record = f"Record<{_type(given[0])}, {_type(given[1])}>"
        # By words of the contract: those that are there, which need not be all.
        return f"Partial<{record}>" if _is_words(given[0]) else record
    if isinstance(kind, TypeVar):
        return kind.__name__
    assert inspect.isclass(kind), kind
    return _name(kind) if issubclass(kind, msgspec.Struct) else kind.__name__


def _alternatives(given: tuple[Any, ...]) -> str:
    if set(given) == set(get_args(ev.Event)):
        return "AnyEvent"
    kinds = [_type(one) for one in given if one is not UnsetType]
    return " | ".join(sorted(kinds, key=lambda kind: kind == "null"))


def _is_words(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, StrEnum)


def _quoted(text: str) -> str:
    return f'"{text}"'


def _comment(kind: type) -> str:
    """Its docstring; structs without one are given their own signature by msgspec."""
    told = kind.__doc__
    if not told or told.startswith(f"{kind.__name__}("):
        return ""
    text = " ".join(inspect.cleandoc(told).split())
    if len(text) + 7 <= _LINE_MAX:
        return f"/** {text} */\n"
    lines, line = [], " *"
    for word in text.split(" "):
        if len(line) + 1 + len(word) > _LINE_MAX:
            lines.append(line)
            line = " *"
        line += f" {word}"
    return "\n".join(["/**", *lines, line, " */\n"])


def write(path: Path = CONTRACT) -> None:
    """Write the file."""
    path.write_text(contract())


if __name__ == "__main__":
    write()
