"""The import direction, and the size of files and functions, are tests and not wishes."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1] / "src" / "cityfolk"
LAYERS = [
    {"errors"},
    {"vocabulary"},
    {"rng"},
    {"types"},
    {"config", "study", "personality"},
    {"pocket"},
    {"tables", "texts"},
    {"engines"},
    {"places", "people", "profiles", "preferences", "imports", "evaluation", "training"},
    {"reports"},
    {"stages", "serve"},
    {"cli", "__init__"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
STAGES = {"places", "people", "profiles", "preferences", "imports", "evaluation", "training"}
# People are built from a place's tables: the one stage that reads another's nouns.
ALLOWED = {("people", "places")}
LONGEST_FILE, LONGEST_FUNCTION = 450, 70


def _imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cityfolk."):
            yield node.lineno, node.module.split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "cityfolk":
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("cityfolk."):
                    yield node.lineno, alias.name.split(".")[1]


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_room_has_a_rank():
    assert {_room(p) for p in ROOT.rglob("*.py")} <= RANK.keys()


def test_imports_point_down():
    wrong = []
    for path in ROOT.rglob("*.py"):
        room = _room(path)
        for line, target in _imports(path):
            if target == room or target not in RANK or (room, target) in ALLOWED:
                continue
            if RANK[target] >= RANK[room]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} {room} -> {target}")
    assert not wrong, "\n".join(wrong)


def test_files_and_functions_fit_in_a_head():
    long = []
    for path in ROOT.rglob("*.py"):
        text = path.read_text()
        if len(text.splitlines()) > LONGEST_FILE:
            long.append(f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                if size > LONGEST_FUNCTION:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {size} lines")
    assert not long, "\n".join(long)
