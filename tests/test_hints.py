"""What messages tell the user to write exists: keys of recipes and settings, tasks, options and sessions."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

import pytest
from pydantic import BaseModel

from wheelfarm.cli.program import collection
from wheelfarm.model import DEFAULT_LIMITS, raise_hint
from wheelfarm.recipes.farm_settings import FarmTable
from wheelfarm.recipes.recipe import Recipe
from wheelfarm.recipes.settings import OVERRIDABLE, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = ROOT / "src" / "wheelfarm"
FARM: Final = "tool.wheelfarm"
FREE: Final = "*"
"""A key that the user chooses, such as the name of a variant."""
OTHERS: Final = {
    *("build-system", "project", "tool.cibuildwheel", "tool.meson-python.args"),
    *("tool.versioningit", "programs", "made-for"),
}
"""Tables of other programs and files."""
OTHER_KEYS: Final = {"default-version", "glibc", "runtime", "netns", "volumes", "setup-args"}
"""Keys in them, a variable of a script, keys of containers.conf, and a config setting of meson-python."""
LEFT_OUT: Final = {"build/inside/compilers.py", "index/consumer.py", "recipes/backend_hook.py"}
"""Write the files and scripts of other programs."""


def _models(annotation: object) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models in an annotation, each below a free key where it stands in a dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
    free = f".{FREE}" if getattr(annotation, "__origin__", None) is dict else ""
    for argument in get_args(annotation):
        for path, model in _models(argument):
            yield free + path, model


def keys_of(model: type[BaseModel], path: str) -> dict[str, set[str]]:
    """Each table below a model, by its path → its keys."""
    tables: dict[str, set[str]] = {path: {str(field.alias) for field in model.model_fields.values()}}
    for field in model.model_fields.values():
        for below, inner in _models(field.annotation):
            for table, keys in keys_of(inner, f"{path}.{field.alias}{below}".removeprefix(".")).items():
                tables.setdefault(table, set()).update(keys)
        if field.annotation is not None and "dict" in str(field.annotation):
            tables.setdefault(f"{path}.{field.alias}".removeprefix("."), set()).add(FREE)
    return tables


_OVERLAY: Final = {
    f"{verb}.{path}".removesuffix("."): keys
    for verb in ("append", "replace")
    for path, keys in keys_of(Recipe, "").items()
}
"""The tables of a recipe over that of a base."""
TABLES: Final = keys_of(Recipe, "") | _OVERLAY | keys_of(FarmTable, FARM) | {"sizes.*.*": {FREE}}
KEYS: Final = frozenset[str]().union(*TABLES.values())
CONTEXTS: Final = {context.name: set(context.flags) for context in collection().to_contexts()}
FLAGS: Final = frozenset[str]().union(*CONTEXTS.values())
SESSIONS: Final = {
    *re.findall(r'name="([\w-]+)"', (ROOT / "noxfile.py").read_text(encoding="utf-8")),
    *re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE),
}
OF_RECIPES: Final = ("build-", "test-", "ci-", "doctor")
"""How the sessions begin that each farm has."""

_GAP: Final = "…"
"""What stands for a value in a formatted string."""
_TABLE: Final = re.compile(
    r"(?<![\w\]])\[((?:tool\.)?[a-z][a-z-]*(?:\.[\w<>" + _GAP + r"-]+)*)\](?: ([a-z][a-z-]*))?( =)?"
)
_IN_TABLE: Final = re.compile(r"(?<![\w-])(?<!its )`?([a-z][a-z-]*)`? in \[(tool\.wheelfarm[\w.]*)\]")
_IN_RECIPE: Final = re.compile(
    r"\b(?:set|under|raise|has|to) `?([a-z][a-z-]*(?:\.[a-z-]+)*)`?(?: = \S+)? (?:in|of) (?:the|its) recipe"
)
_DOTTED: Final = re.compile(
    r"(?<![\w./`'\"-])((?:expect|requires|repair|build-requires|config-settings|source|splits|limits|test)"
    r"(?:\.[a-z][a-z-]*)+)(?![\w/(])"
)
_ASSIGNED: Final = re.compile(r"(?<![\w.:-])([a-z][a-z-]*) = (?:\[|\{ ?\w|\"|true\b|false\b)")
_TASK: Final = re.compile(r"\binv ([a-z]+(?:\.[a-z]+)?)((?: [^,;.:()`]*)?)")
_SESSION: Final = re.compile(r"\bnox -s ([\w-]+)")
_FLAG: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_VARIABLE: Final = re.compile(rf"\b{PREFIX}([A-Z_]+)\b")
_FILES: Final = (".lock", ".toml", ".py", ".tar", ".gz", ".json", ".whl", ".patch", ".start", ".check")


def _text(node: ast.expr) -> str | None:
    """A string, with a gap for each of its values; strings that are added count as one."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(
                _GAP if isinstance(each, ast.FormattedValue) else _text(each) or "" for each in values
            )
    return None


def messages(path: Path) -> Iterator[tuple[str, str]]:
    """Each string of a file that is no docstring, and where it stands."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    left_out: set[ast.expr] = {node.value for node in nodes if isinstance(node, ast.Expr)}
    left_out.update(part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values)
    for node in nodes:
        if isinstance(node, ast.Constant | ast.JoinedStr) and node not in left_out:
            text = _text(node)
            if text and " " in text:
                yield f"{path.relative_to(SOURCES)}:{node.lineno}", text


def _keys(table: str) -> set[str]:
    """The keys of a table, and of those in a table of tables; what stands for a value fits any name."""
    path = re.sub(rf"<[\w-]+>|{_GAP}", FREE, table)
    found = [known for known in TABLES if _same(path, known) or known == f"{path}.{FREE}"]
    return set[str]().union(*(TABLES[each] for each in found))


def _same(path: str, known: str) -> bool:
    a, b = path.split("."), known.split(".")
    return len(a) == len(b) and all(x == y or FREE in {x, y} for x, y in zip(a, b, strict=True))


def _unknown_tables(text: str) -> Iterator[str]:
    for table, key, assigned in _TABLE.findall(text):
        if table not in OTHERS and not (keys := _keys(table)):
            yield f"[{table}]"
        elif table not in OTHERS and assigned and not {key, FREE} & keys:
            yield f"[{table}] {key}"


def _unknown_keys(text: str) -> Iterator[str]:
    yield from (f"{key} in [{table}]" for key, table in _IN_TABLE.findall(text) if key not in _keys(table))
    for dotted in (*_IN_RECIPE.findall(text), *_DOTTED.findall(text)):
        table, _, name = dotted.rpartition(".")
        if not dotted.endswith(_FILES) and not {name, FREE} & _keys(table):
            yield dotted
    yield from (f"{key} =" for key in _ASSIGNED.findall(text) if key not in KEYS | OTHER_KEYS)
    for name in _VARIABLE.findall(text):
        if name.lower().replace("_", "-") not in OVERRIDABLE and not name.startswith("IMAGE_"):
            yield PREFIX + name


def _unknown_commands(text: str) -> Iterator[str]:
    for name, words in _TASK.findall(text):
        if name not in CONTEXTS:
            yield f"inv {name}"
        else:
            yield from (f"inv {name} {flag}" for flag in _FLAG.findall(words) if flag not in CONTEXTS[name])
    for name in _SESSION.findall(text):
        if name not in SESSIONS and not name.startswith(OF_RECIPES):
            yield f"nox -s {name}"


def unknown(text: str) -> list[str]:
    """What a text names and does not exist."""
    return [*_unknown_tables(text), *_unknown_keys(text), *_unknown_commands(text)]


@pytest.mark.slow
def test_what_a_message_names_exists() -> None:
    found = [
        f"{where}: {name}"
        for path in sorted(SOURCES.rglob("*.py"))
        if path.relative_to(SOURCES).as_posix() not in LEFT_OUT
        for where, text in messages(path)
        for name in unknown(text)
    ]
    assert found == []


def test_the_limits_that_a_message_names_exist() -> None:
    for field in vars(DEFAULT_LIMITS):
        assert unknown(raise_hint(field)) == []
        assert raise_hint(field).split("`")[1] in TABLES[f"{FARM}.limits"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('[build-requires] replace = { a = "a<2" } in the recipe', []),
        ("[repairs] exclud = []", ["[repairs]", "exclud ="]),
        ('[build-requires] replase = ["a"]', ["[build-requires] replase", "replase ="]),
        ("[tool.wheelfarm.index.<name>] and [tool.wheelfarm.….<name>]", []),
        ("[platforms.linux.append] and [platforms.linux]", []),
        ("[platforms.linux.apend]", ["[platforms.linux.apend]"]),
        ("raise `unpack` in [tool.wheelfarm.limits]", ["unpack in [tool.wheelfarm.limits]"]),
        ("set memory in the recipe", []),
        ("set jobs in the recipe", ["jobs"]),
        ("name it under expect.vendor", ["expect.vendor"]),
        ("source.allow.x, test.lock and expect.max-size.file", []),
        ("inv recipe.lock alpha, then inv recipe.lok alpha", ["inv recipe.lok"]),
        ("inv chain alpha --no-compiler-cache", []),
        ("inv chain alpha --no-ccache", ["inv chain --no-ccache"]),
        ("nox -s build-alpha, nox -s lint, nox -s bild", ["nox -s bild"]),
        ("WHEELFARM_JOBS or WHEELFARM_JOB", ["WHEELFARM_JOB"]),
        ('compilers = [] or compiler = ["c"]', ["compiler ="]),
    ],
)
def test_what_is_unknown(text: str, names: list[str]) -> None:
    assert unknown(text) == names
