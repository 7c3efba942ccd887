"""What grows is bounded: every collection of a serving process is told of with its bound."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.repository import ROOT

SOURCE = ROOT / "src" / "roomlog"
_FOLDERS = ("core", "http", "jetstream", "postgres", "projector", "realtime", "services")
_COLLECTIONS = {
    *("Counter", "OrderedDict", "defaultdict", "deque", "dict", "list", "set"),
    *("WeakSet", "WeakKeyDictionary", "WeakValueDictionary"),
}
_EMPTY = {"[]", "{}"}
_ROW = re.compile(r"^\| `(\w+\.\w+(?:\.\w+)?)` \|", re.MULTILINE)
_QUEUES = {"Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"}
# Commands' own, which end with their work.
_OF_COMMANDS = {
    *("chat_sources", "import_service", "mattermost_export", "slack_export", "chat_items"),
    *("refill", "visibility"),
}
# Part of a document that is made once.
_OF_DOCUMENTS = {"problems"}


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for folder in _FOLDERS:
        for path in sorted((SOURCE / folder).rglob("*.py")):
            if path.stem not in _OF_COMMANDS | _OF_DOCUMENTS:
                yield path, ast.parse(path.read_text())


def _collections(path: Path, module: ast.Module) -> Iterator[str]:
    """What objects keep in collections that their `__init__` makes."""
    for kind in ast.walk(module):
        if not isinstance(kind, ast.ClassDef):
            continue
        for method in kind.body:
            if not isinstance(method, ast.FunctionDef) or method.name != "__init__":
                continue
            for node in ast.walk(method):
                attribute = _made(node)
                if attribute is not None:
                    yield f"{path.stem}.{kind.name}.{attribute}"


def _made(node: ast.AST) -> str | None:
    if isinstance(node, ast.AnnAssign):
        target, value, annotation = node.target, node.value, ast.unparse(node.annotation)
    elif isinstance(node, ast.Assign):
        target, value, annotation = node.targets[0], node.value, ""
    else:
        return None
    if not isinstance(target, ast.Attribute) or value is None:
        return None
    made = ast.unparse(value)
    kinds = {re.split(r"\W", annotation.strip("\"'"))[0], re.split(r"[\[(]", made)[0]}
    return target.attr if kinds & _COLLECTIONS or made in _EMPTY else None


def _caches(path: Path, module: ast.Module) -> Iterator[str]:
    """Caches of calls without a size."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and any(map(_sizeless, node.decorator_list)):
            yield f"{path.stem}.{node.name}"
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and _sizeless(node.value.func)
        ):
            yield f"{path.stem}.{ast.unparse(node.targets[0])}"


def _sizeless(cache: ast.expr) -> bool:
    called = ast.unparse(cache).removeprefix("functools.")
    return called == "cache" or bool(re.match(r"lru_cache\((maxsize=)?None", called))


def test_every_collection_and_cache_of_a_serving_process_is_told_of_with_its_bound():
    found = [
        name
        for path, module in _modules()
        for name in (*_collections(path, module), *_caches(path, module))
    ]
    told = _ROW.findall((ROOT / "docs/operations/bounds.md").read_text())

    assert len(told) == len(set(told))
    assert set(told) == set(found)


def test_every_queue_has_a_size():
    sizeless = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in _QUEUES
        and not node.args
        and not node.keywords
    ]

    assert sizeless == []


def test_what_it_looks_for_is_seen():
    planted = ast.parse(
        "class Kept:\n"
        "    def __init__(self, size):\n"
        "        self.a: dict[str, int] = {}\n"
        "        self.b = []\n"
        "        self.c = deque(maxlen=3)\n"
        "        self.d: 'OrderedDict[str, int]' = made()\n"
        "        self.size = size\n"
        "@functools.cache\n"
        "def answer(question): ...\n"
        "@lru_cache(maxsize=None)\n"
        "def other(question): ...\n"
        "@lru_cache(maxsize=4)\n"
        "def bounded(question): ...\n"
        "labels = cache(metric.labels)\n"
    )

    assert list(_collections(Path("m.py"), planted)) == [f"m.Kept.{name}" for name in "abcd"]
    assert list(_caches(Path("m.py"), planted)) == ["m.answer", "m.other", "m.labels"]
