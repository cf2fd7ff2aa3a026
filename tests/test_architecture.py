"""The shape of the package, held by its own source: import directions, no cycles, one home for each library."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import opsjobs

ROOT = Path(opsjobs.__file__).parent
SPINE = {
    # Layer: what it may import. A layer is a top-level module or folder of the package.
    "errors": set(),
    "model": set(),
    "facts": set(),
    "recommendation": set(),
    "daybook": set(),
    "promql": set(),
    "objects": set(),
    "statements": {"model"},
    "words": {"model"},
    "log": set(),
    "threads": set(),
    "declaration": {"errors", "promql"},
    "vocabulary": {"promql", "statements", "declaration"},
    "system": {"errors", "model", "promql", "declaration", "vocabulary"},
    "servers": {"errors", "declaration", "http"},
    "receivers": {"errors", "declaration", "vocabulary", "servers", "system"},
    "expenses": {"declaration", "system", "vocabulary"},
    "safekeeping": {"declaration", "objects", "vocabulary"},
    "schedule": {"errors", "model", "ledger"},
    "timetable": {"declaration", "schedule", "vocabulary"},
    "publication": {"errors", "declaration", "servers"},
    "config": {
        "timetable",
        "safekeeping",
        "publication",
        "errors",
        "model",
        "declaration",
        "vocabulary",
        "log",
        "servers",
        "receivers",
        "expenses",
        "system",
    },
    "http": {"errors", "log", "threads"},
    "sources": {"errors", "model", "facts", "objects", "statements", "config", "http", "log", "threads"},
    "backup": {"errors", "objects", "sources", "threads"},
    "analysis": {"errors", "model", "facts", "objects", "recommendation", "daybook", "words", "promql", "system"},
    "checks": {
        "objects",
        "errors",
        "model",
        "facts",
        "words",
        "promql",
        "declaration",
        "http",
        "sources",
        "system",
        "analysis",
        "threads",
    },
    "report": {"errors", "model", "words"},
    "ledger": {"errors", "model", "recommendation", "daybook", "threads"},
    "archive": {"errors", "model"},
    "telemetry": {"model", "ledger"},
    "serving": {"errors", "model", "words", "report", "ledger", "telemetry"},
    "jobs": {
        "backup",
        "objects",
        "errors",
        "facts",
        "daybook",
        "model",
        "recommendation",
        "words",
        "promql",
        "statements",
        "declaration",
        "vocabulary",
        "system",
        "http",
        "sources",
        "analysis",
        "report",
        "stack",
        "checks",
    },
    "notify": {"errors", "model", "words", "http", "log", "system"},
    "runner": {"errors", "model", "log", "jobs", "ledger", "archive", "report", "notify"},
    "demo": {"errors", "model", "declaration", "system"},
    "systems": set(),
    "stack": {"errors", "model", "facts", "words", "promql", "declaration", "vocabulary", "system"},
    "running": {"errors", "model", "stack"},
    "cli": None,
    "__main__": {"cli"},
}
HOMES = {
    "alembic": {"ledger"},
    "apprise": {"notify"},
    "apscheduler": {"schedule"},
    "click": {"cli"},
    "css_inline": {"report"},
    "fsspec": {"backup"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
    "matplotlib": {"report"},
    "numpy": {"demo"},
    "orjson": {"backup", "http", "serving", "sources"},
    "prometheus_client": {"telemetry"},
    "platformdirs": {"cli", "demo"},
    "procrastinate": {"schedule"},
    "promql_parser": {"promql"},
    "psycopg": {"demo", "sources"},
    "pydantic": {
        "config",
        "declaration",
        "demo",
        "expenses",
        "publication",
        "receivers",
        "safekeeping",
        "servers",
        "system",
        "timetable",
        "vocabulary",
    },
    "pydantic_core": {"declaration"},
    "pythonjsonlogger": {"log"},
    "redis": {"demo", "sources"},
    "requests": {"http"},
    "rich": {"cli"},
    "sentry_sdk": {"notify"},
    "sqlalchemy": {"ledger"},
    "urllib3": {"http"},
    "waitress": {"serving"},
    "weasyprint": {"report"},
    "werkzeug": {"serving"},
    "yaml": {"declaration"},
}


def modules():
    return {".".join(("opsjobs", *path.relative_to(ROOT).with_suffix("").parts)): path for path in ROOT.rglob("*.py")}


def layer(name):
    return name.split(".")[1] if "." in name else "opsjobs"


def imports(path, *, lazy=True):
    """What a file imports; without `lazy`, only what it imports while it is being imported itself."""
    tree = ast.parse(path.read_text("utf-8"))
    nodes = ast.walk(tree) if lazy else eager(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith("opsjobs"))


def eager(tree):
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or typing_only:
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def test_every_layer_has_its_place_on_the_spine():
    found = {layer(name) for name in modules()} - {"__init__"}
    assert found == set(SPINE)


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_only_what_lies_to_its_left(name):
    own = layer(name)
    allowed = SPINE.get(own, set())
    if allowed is None:
        return
    used = {layer(each) for each in imports(modules()[name]) if each.startswith("opsjobs.")}
    forbidden = {each for each in used if each in SPINE} - allowed - {own}
    assert not forbidden, f"{name} imports {sorted(forbidden)}"


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_library_is_imported_only_in_its_home(library):
    users = {
        layer(name)
        for name, path in modules().items()
        if any(each == library or each.startswith(f"{library}.") for each in imports(path))
    }
    assert users, f"{library} is not used at all"
    assert users <= HOMES[library]


def test_every_library_has_a_home():
    import sys

    used = {each.split(".")[0] for path in modules().values() for each in imports(path)}
    third_party = used - set(sys.stdlib_module_names) - {"opsjobs"}
    assert third_party == set(HOMES)


def test_modules_import_each_other_without_a_cycle():
    known = modules()
    names = {name.removesuffix(".__init__"): path for name, path in known.items()}
    graph = {
        name: {each for each in imports(path, lazy=False) if each in names and not name.startswith(f"{each}.")} - {name}
        for name, path in names.items()
    }
    assert list(TopologicalSorter(graph).static_order())


def test_only_the_command_line_reads_the_environment_prints_or_makes_a_clock():
    for name, path in modules().items():
        if layer(name) in {"cli", "demo"}:
            continue
        text = path.read_text("utf-8")
        for word in ("os.environ[", "os.getenv", "datetime.now(", "datetime.utcnow(", "date.today("):
            assert word not in text, f"{name} uses {word}"
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"], name


def test_only_the_runner_may_catch_everything():
    for name, path in modules().items():
        if name == "opsjobs.runner":
            continue
        broad = [
            node
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.ExceptHandler)
            and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        ]
        # What cleans up and goes on raising swallows nothing.
        swallowing = [node for node in broad if not isinstance(node.body[-1], ast.Raise)]
        assert not swallowing, f"{name} swallows everything"


def test_what_a_run_does_in_threads_says_for_which_run():
    """Threads and pools of Python's own begin without the context that says it."""
    for name, path in modules().items():
        if layer(name) in {"threads", "demo", "serving", "schedule"}:
            continue
        used = set(imports(path))
        assert not any(each.startswith("concurrent.futures") for each in used), f"{name}: use opsjobs.threads"
        assert "threading.Thread(" not in path.read_text("utf-8"), f"{name}: use opsjobs.threads"
