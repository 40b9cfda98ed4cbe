"""docs/settings.md lists just the variables that the settings read, with their defaults."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Read elsewhere than in the settings, and said in the same tables.
ELSEWHERE = {"ENV_FILE"}
NOT_OURS = "## Not settings of the console"
REQUIRED = "none, required"


def documented() -> dict[str, str]:
    """Return the defaults that docs/settings.md gives, by variable."""
    text = (ROOT / "docs" / "settings.md").read_text().partition(NOT_OURS)[0]
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        names = re.findall(r"`([A-Z][A-Z0-9_]+)`", cells[0]) if line.startswith("| `") else []
        for name in names if len(cells) == 3 else []:
            assert name not in found, f"{name} has two rows"
            found[name] = cells[1]
    return found


def read() -> dict[str, ast.expr | None]:
    """Return the defaults that tracardi_console/settings.py gives, by variable."""
    tree = ast.parse((ROOT / "tracardi_console" / "settings.py").read_text())
    found: dict[str, ast.expr | None] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if not isinstance(node.func.value, ast.Name) or node.func.value.id != "env":
            continue
        name = ast.literal_eval(node.args[0])
        default = next((one.value for one in node.keywords if one.arg == "default"), None)
        if default is None and len(node.args) > 1:
            default = node.args[1]
        # Of several places that read it, the first with a plain default says it.
        if not isinstance(found.get(name), ast.Constant):
            found[name] = default
    return found


def test_each_variable_that_is_read_is_listed_and_no_other() -> None:
    assert set(documented()) - ELSEWHERE == set(read())


def test_the_defaults_are_those_of_the_settings() -> None:
    said = documented()
    compared = 0
    for name, default in read().items():
        words = said[name]
        assert words, name
        if default is None:
            assert words.startswith(REQUIRED), name
            continue
        try:
            value = ast.literal_eval(default)
        except ValueError:
            if not isinstance(default, ast.BinOp):
                # What it comes to depends on other settings; the table says on which.
                continue
            value = eval(compile(ast.Expression(default), name, "eval"), {"__builtins__": {}})  # noqa: S307
        compared += 1
        if value in ("", []):
            assert words.startswith(("empty", "none")), name
            continue
        if isinstance(value, list):
            value = ",".join(str(one) for one in value)
        if isinstance(value, float):
            value = f"{value:g}"
        assert words.startswith(f"`{value}`"), (name, words, value)
    assert compared > 30
