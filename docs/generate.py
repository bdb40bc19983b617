"""Writes the reference pages that come from the code: recipe, settings, errors and tasks.

Usage: generate.py [--check]

With --check nothing is written, and the exit code is 1 when a page is not what it would be.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelfarm import errors
from wheelfarm.cli.program import collection
from wheelfarm.errors import counted
from wheelfarm.gate.systems import systems
from wheelfarm.recipes.farm_settings import FarmTable
from wheelfarm.recipes.recipe import Recipe
from wheelfarm.recipes.settings import OVERRIDABLE, PREFIX
from wheelfarm.wheels.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from invoke.parser.argument import Argument

DOCS: Final = Path(__file__).parent
REFERENCE: Final = DOCS / "reference"
PUBLIC: Final = DOCS.parent / "tests" / "public"
NEW_RECIPES: Final = DOCS.parent / "tests" / "new_recipes"
NOTICE: Final = "<!-- Written by docs/generate.py from the code: change that, and run it again. -->"
Schema = dict[str, Any]

RECIPE: Final = """\
A recipe is `recipes/<name>/recipe.toml`. It is strict: an unknown key, a wrong type or a missing sha256 is an
error that names the file, the key path and the nearest valid name, and all errors come at once. Editors
complete and check it with [recipe.schema.json](recipe.schema.json); each recipe names that file in its first
line. How the layers lie over each other is in [](../concepts/layers.md).
"""
SETTINGS: Final = """\
Settings are the table `[tool.wheelfarm]` of `pyproject.toml`. An environment variable overrides them, and an
option of the command line overrides both. A list is written with commas in a variable. Unknown keys and
unknown variables that begin with `WHEELFARM_` are errors.

Where `index-url` is not set, the farm uses the index that pip and uv use on this machine: `PIP_INDEX_URL`,
`UV_DEFAULT_INDEX`, `UV_INDEX_URL`, then pip's configuration file, then the public index.
"""
EXAMINATION: Final = """\
The gate examines every wheel that passes it, and `inv wheel.inspect` any wheel: all its ELF, Mach-O and PE
binaries, those of vendored libraries too, and where its members are. The gate refuses a wheel with an error;
a note is in the build record and in the report. A recipe allows what it must, with a reason:

    [expect]
    allow = { "rpath: pkg/_ext*" = "the driver is installed there" }

The key is a rule, or a rule and a glob of members. What allows nothing is an error. An
allowed note is not shown any more.

The instruction set is known from two sources. Any binary may say in a note which level it needs, where it was
linked with `-z x86-64-v3` or the like. Of wheels that the farm has built, the record holds with which options
the objects of each binary were compiled: [](../how-to/write-a-recipe.md#choose-the-instruction-set). It holds
no objects of a compiler that is called by its path, of MSVC, of assembly, of ready-made static libraries, and
none that were renamed before the link. Code is not disassembled: an instruction in it does not show whether a
check stands before it.

Whether a module enables the GIL shows when a free-threaded Python imports it. The gate of a wheel for such a
Python does; it names the first module of a process only.
"""
_SPECIFICATIONS: Final = "https://packaging.python.org/en/latest/specifications"
_TAGS: Final = f"{_SPECIFICATIONS}/platform-compatibility-tags/"
OTHER_CHECKS: Final = (
    (
        "`record`",
        "error",
        f"A member differs from RECORD ([reference]({_SPECIFICATIONS}/recording-installed-packages/))",
        "Build it again; the error names the row and the backend",
        "no",
        "none",
    ),
    (
        "`metadata`",
        "error",
        f"METADATA has a field that indexes refuse ([reference]({_SPECIFICATIONS}/core-metadata/))",
        "The error names the field, who wrote it and the remedy",
        "no",
        "none",
    ),
    (
        "`architecture`",
        "error",
        f"Members are for a processor that is not the tag's ([reference]({_TAGS}))",
        "Correct CC, CFLAGS or ARCHFLAGS",
        "no",
        "none",
    ),
    (
        "`sbom`",
        "error",
        "A vendored library is not in the bill of materials ([reference](https://peps.python.org/pep-0770/))",
        "Build it with the farm, which writes one",
        "no",
        "the farm's own only",
    ),
    (
        "system package",
        "warning",
        "A vendored library is of a system package that nobody names ([how to](../how-to/write-a-recipe.md))",
        "Add the line of the warning to `system-packages`",
        "name the package",
        "the farm's own only",
    ),
)
"""What the gate and the build look at besides, in the columns of the rules."""
_BEYOND_THE_FILE: Final = frozenset(
    {"path-twice", "library-elsewhere", "native-code", "native-tuning", "gil"}
)
"""Rules that compare a wheel with its build, with others or with a run: a public file has none of these."""
PUBLIC_WHEELS: Final = """\
## How public wheels fare

`nox -s public-wheels` examines {count} well-known public wheels with compiled code for Linux, macOS and
Windows, {size} MB, which it downloads once, by name and hash. It fails when the reader cannot read one, when
one takes longer than 5 s of a processor, or when one has an error that `tests/public/wheels.toml` does not
explain. The slowest took {slowest} s. A false error in one of them is a fault of the farm. These are the
true ones:
"""
NEW: Final = """\
`nox -s new-recipes` writes a recipe for each of {count} known distributions with compiled code, by
`inv recipe.new` in a copy of this farm, and builds it by `inv chain --engine host`, unedited. **{passed} of
{count} passed their gate**, on Debian 12 with two processors that did other work too, and with a compiler
cache. The last column has the sentence that each of the others ended with.

Those that need numpy are built against the farm's numpy, which is built before them; its time does not count.
The rows are not of one run. The first 30 have not been tried again with the code of the later runs, and the
code was corrected while these went: what failed by its faults has been tried once more. They began at (UTC):

{runs}
"""
SYSTEMS: Final = """\
`inv wheel.gate WHEEL --like NAME` [compares a wheel with a system](../how-to/check-another-system.md). Each
system has the libraries of its C library besides. A library counts where every image of the system has it,
since rpm, dpkg, apk or the runtime needs it; what only the standard image has, as libexpat, does not. The
versions of glibc and libstdc++ are those that [pep600_compliance](https://github.com/mayeut/pep600_compliance)
has read from the images of these systems. AWS Lambda's are those that its system began with. The libraries
besides are from general knowledge, but for Debian 12, whose table a test compares with a real one.
"""
ERRORS: Final = """\
Every error says what happened, where, why, and what to do next; its slug stands in brackets. A task ends with
the exit code of the error. When a chain fails for causes with different exit codes, it ends with that of
`chain-failed`; when you interrupt it, with 130.

Several errors that were found in one go are reported together, and end with the exit code of the first.
"""
TASKS: Final = """\
`inv -l` lists the tasks, `inv --help TASK` shows the options of one. They work in any directory of the farm.
Messages go to standard error, results to standard output.

Packages are one word: `numpy,scipy`, or `all`; `numpy==2.3.5` where a recipe has
[several versions](../how-to/bump-a-recipe.md). The installed command `wheelfarm` runs the same tasks, and
takes `wheelfarm chain numpy scipy` too. Both answer a mistyped task or option with the nearest name, and end
with exit code 2.

The nox sessions call the same tasks, in an environment that they make on first use, and pass on what follows
`--`:

| session | does |
|---|---|
| `build-<name>` | `inv chain <name>`, after the sessions of what it needs; at once while its stamp is valid |
| `build-<name>(<variant>)` | the same for another variant than the default one |
| `test-<name>`, `test-<name>(<variant>)` | `inv test <name>`: the upstream suite, else the gate |
| `doctor` | `inv doctor`: checks this machine |
| `tests`, `lint`, `types`, `docs` | this project's own checks; `nox` alone runs them |
| `slow-tests`, `engine-tests`, `other-platforms`, `server-tests`, `cluster-kills` | the longer tests |
| `new-recipes` | writes recipes for 48 distributions, and builds them: [how they fare](new-recipes.md) |
| `public-wheels` | examines 50 public wheels: [how they fare](examination.md) |
| `bench`, `bench-rebuilds` | measure the farm's own time and memory |
| `bench-stack` | compares the speed of stored wheels with [the public ones](../how-to/compare-speed.md) |
| `lock` | writes `requirements/*.txt` anew |
| `ci-plan`, `ci-build`, … | what the jobs of the CI workflow run |
"""


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _value(value: object) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _values(table: Schema) -> Iterator[Schema]:
    """What the values of a table with free keys may be."""
    further = table.get("additionalProperties")
    yield from (
        *table.get("patternProperties", {}).values(),
        *([further] if isinstance(further, dict) else ()),
    )


class SchemaPage:
    """The tables of a JSON Schema, each under the places where it may stand."""

    def __init__(self, schema: Schema, name: str, meanings: Mapping[str, Mapping[str, str]]) -> None:
        self.root = name
        self.models: dict[str, Schema] = {name: schema, **schema.get("$defs", {})}
        self.places: dict[str, list[str]] = {name: []}
        self.meanings = meanings
        self.used: set[tuple[str, str]] = set()
        for model in self.models.values():
            for key, value in model.get("properties", {}).items():
                self._place(value, key, "[{}]")

    def anchor(self, name: str) -> str:
        """The label of a model's section; two pages may have the same model."""
        return f"{self.root}-{name}".lower()

    def _place(self, value: Schema, key: str, brackets: str) -> None:
        for each in (value, *value.get("oneOf", ()), *value.get("anyOf", ())):
            if "$ref" in each:
                place = f"`{brackets.format(key)}`"
                self.places.setdefault(self._name(each), []).append(place)
        if "items" in value:
            self._place(value["items"], key, "[[{}]]")
        for inner in _values(value):
            self._place(inner, f"{key}.<name>", "[{}]")

    @staticmethod
    def _name(value: Schema) -> str:
        return str(value["$ref"]).rpartition("/")[2]

    def type_of(self, value: Schema) -> str:
        """A type in words."""
        text = str(value.get("type"))
        match value:
            case {"$ref": _}:
                name = self._name(value)
                model = self.models[name]
                text = self.type_of(model) if "enum" in model else f"[table](#{self.anchor(name)})"
            case {"const": only}:
                text = _value(only)
            case {"enum": members}:
                text = ", ".join(map(_value, members))
            case {"oneOf": choices} | {"anyOf": choices}:
                texts = (self.type_of(each) for each in choices if each.get("type") != "null")
                text = " or ".join(dict.fromkeys(texts))
            case {"format": "date"}:
                text = "date"
            case {"type": "array", "items": items}:
                text = f"list of {self._plural(items)}"
            case {"type": "object"}:
                inner = next(_values(value), None)
                text = f"table of {self._plural(inner)}" if inner else "table"
        return text

    def _plural(self, value: Schema) -> str:
        text = self.type_of(value).replace("[table]", "[tables]")
        return re.sub(r"^(string|number|table)\b", r"\1s", text)

    def meaning(self, name: str, key: str, value: Schema) -> str:
        """The model's own description, or ours where it has none."""
        own = value.get("description")
        if own is None:
            self.used.add((name, key))
            own = self.meanings.get(name, {}).get(key)
        if own is None:
            raise KeyError(f"neither the model nor docs/meanings.toml describes {name}: {key}")
        return str(own)

    def rows(self, name: str) -> Iterator[tuple[str, ...]]:
        """A row for each key of a model."""
        model = self.models[name]
        required = model.get("required", ())
        for key, value in sorted(model["properties"].items(), key=lambda item: item[0] not in required):
            default = value.get("default")
            unsaid = "required" if key in required else ""
            shown = unsaid if default in (None, "", [], {}) or isinstance(default, dict) else _value(default)
            yield (f"`{key}`", self.type_of(value), shown, self.meaning(name, key, value))

    def sections(self) -> Iterator[str]:
        """A section for each model that is a table, with the root first."""
        for name, model in self.models.items():
            if "properties" not in model:
                continue
            places = self.places.get(name, [])
            if places:
                heading = ", ".join(dict.fromkeys(places))
                yield f"({self.anchor(name)})=\n## {heading}\n\n{model['description']}\n"
            yield _table(("key", "type", "default", "meaning"), list(self.rows(name)))


def _schema_sections() -> tuple[list[str], list[str]]:
    meanings = tomllib.loads((DOCS / "meanings.toml").read_text(encoding="utf-8"))
    recipe = SchemaPage(Recipe.model_json_schema(), "Recipe", meanings)
    settings = SchemaPage(FarmTable.model_json_schema(), "FarmTable", meanings)
    recipe_text, settings_text = list(recipe.sections()), list(settings.sections())
    written = {(name, key) for name, keys in meanings.items() for key in keys}
    idle = sorted(written - recipe.used - settings.used)
    if idle:
        raise KeyError(f"docs/meanings.toml says what nothing needs: {idle}")
    return recipe_text, settings_text


def recipe_page() -> str:
    """Every key of recipe.toml."""
    sections, _ = _schema_sections()
    return "\n".join((NOTICE, "# The recipe\n", RECIPE, *sections))


def settings_page() -> str:
    """Every key of `[tool.wheelfarm]`, and the variables."""
    _, sections = _schema_sections()
    rows = [(f"`{PREFIX}{key.upper().replace('-', '_')}`", f"`{key}`") for key in OVERRIDABLE]
    rows += [(f"`{PREFIX}IMAGE_<PLATFORM>`", "`images.<platform>`, such as `images.manylinux_x86_64`")]
    variables = f"## Variables\n\n{_table(('variable', 'key'), rows)}"
    return "\n".join((NOTICE, "# Settings\n", SETTINGS, *sections, variables))


def errors_page() -> str:
    """Every class of error."""
    named = (each for each in vars(errors).values() if isinstance(each, type))
    kinds = {each for each in named if issubclass(each, errors.FarmError)}
    classes = sorted(kinds - {errors.FarmError, errors.GroupError}, key=lambda each: each.exit_code)
    rows = [(f"`{each.slug}`", each.exit_code, each.__doc__, f"`{each.__name__}`") for each in classes]
    table = _table(("slug", "exit code", "meaning", "class"), rows)
    return f"{NOTICE}\n# Errors\n\n{ERRORS}\n{table}"


def _argument(argument: Argument) -> tuple[str, str]:
    if argument.positional:
        return f"`{str(argument.name).upper()}`", argument.help or ""
    names = sorted(argument.names, key=len)
    word = "" if argument.kind is bool else f" {str(argument.name).upper()}"
    flags = ", ".join(f"`{'-' if len(name) == 1 else '--'}{name.replace('_', '-')}{word}`" for name in names)
    return flags, argument.help or ""


def tasks_page() -> str:
    """Every task and its options."""
    tasks = collection()
    sections = [
        f"## `inv {name}`\n\n{(tasks[name].__doc__ or '').strip()}\n\n"
        + _table(("option", "meaning"), [_argument(each) for each in tasks[name].get_arguments()])
        for name in sorted(tasks.task_names, key=lambda name: ("." in name, name))
    ]
    return "\n".join((NOTICE, "# Tasks and sessions\n", TASKS, *sections))


def examination_page() -> str:
    """Every rule of the examination, and how public wheels fare."""
    fared = json.loads((PUBLIC / "result.json").read_text(encoding="utf-8"))
    rows = [
        (
            f"`{rule.name}`",
            "error" if rule.error else "note",
            f"Members {rule.meaning} ([reference]({rule.reference}))",
            f"{rule.remedy[0].upper()}{rule.remedy[1:]}",
            f"`allow = {{ {rule.name} = … }}`",
            _with_rule(rule.name, fared),
        )
        for rule in RULES.values()
    ]
    head = ("rule", "", "meaning", "remedy", "turn off", "public wheels")
    table = _table(head, [*rows, *OTHER_CHECKS])
    listed = tomllib.loads((PUBLIC / "wheels.toml").read_text(encoding="utf-8"))["wheel"]
    errors = [
        (_short(each["file"]), f"`{key}`", why)
        for each in listed
        for key, why in each.get("allow", {}).items()
    ]
    text = PUBLIC_WHEELS.format(
        count=len(fared),
        size=round(sum(each["size"] for each in fared.values()) / 1e6),
        slowest=max(each["seconds"] for each in fared.values()),
    )
    wheels = _table(
        ("wheel", "size", "binaries", "time", "errors", "notes"),
        [
            (
                _short(file),
                f"{each['size'] / 1e6:.1f} MB",
                each["binaries"],
                f"{each['seconds']} s",
                _counts({rule: count for rule, count in _members(each).items() if RULES[rule].error}),
                _counts(each["notes"]),
            )
            for file, each in fared.items()
        ],
    )
    true_errors = _table(("wheel", "rule and member", "why it is an error"), errors)
    return f"{NOTICE}\n# The examination of wheels\n\n{EXAMINATION}\n{table}\n{text}\n{true_errors}\n{wheels}"


def _with_rule(rule: str, fared: Mapping[str, Any]) -> str:
    """How many members of how many public wheels do not keep a rule."""
    if rule in _BEYOND_THE_FILE:
        return "the farm's own only"
    counts = [_members(each).get(rule, 0) for each in fared.values()]
    found = [count for count in counts if count]
    return f"{counted(sum(found), 'member')} in {counted(len(found), 'wheel')}" if found else "none"


def _members(wheel: Mapping[str, Any]) -> dict[str, int]:
    """How many members of a public wheel do not keep a rule."""
    errors = {
        rule: len({text.partition(": ")[0] for text in found}) for rule, found in wheel["errors"].items()
    }
    return errors | wheel["notes"]


def _counts(by_rule: Mapping[str, int]) -> str:
    return ", ".join(f"`{rule}` {count}" for rule, count in sorted(by_rule.items()))


def _short(file: str) -> str:
    """Name, version and first platform tag of a wheel's file name."""
    name, version, *_, platforms = file.removesuffix(".whl").split("-")
    return f"{name} {version} {platforms.split('.')[0]}"


def systems_page() -> str:
    """Every system that a wheel can be compared with."""
    rows = [
        (
            f"`{name}`",
            system.title,
            system.libc,
            f"GLIBCXX {system.glibcxx}, CXXABI {system.cxxabi}" if system.glibcxx else "none",
            ", ".join(f"`{library}`" for library in system.libraries),
            f"`{system.image}`",
            ", ".join(f"[{number}]({url})" for number, url in enumerate(system.references, 1)),
        )
        for name, system in systems().items()
    ]
    head = ("name", "system", "C library", "libstdc++", "libraries besides", "image", "references")
    return f"{NOTICE}\n# Systems\n\n{SYSTEMS}\n{_table(head, rows)}"


def new_recipes_page() -> str:
    """How recipes fare that `inv recipe.new` has written."""
    found = json.loads((NEW_RECIPES / "result.json").read_text(encoding="utf-8"))
    listed = tomllib.loads((NEW_RECIPES / "packages.toml").read_text(encoding="utf-8"))["package"]
    rows = [
        (
            f"{each['name']} {tried['version']}".strip(),
            each["has"],
            f"`{tried['backend']}`" if tried["backend"] else "",
            f"{tried['drafted']:.0f} s",
            f"{tried['built']:.0f} s" if tried["built"] else "",
            "passed" if tried["passed"] else tried["sentence"],
        )
        for each in listed
        if (tried := found.get(each["name"]))
    ]
    passed = sum(each["passed"] for each in found.values())
    runs = Counter(found[each["name"]]["run"] for each in listed if each["name"] in found)
    lines = "\n".join(f"- {run}: {count} distributions" for run, count in runs.items())
    text = NEW.format(count=len(rows), passed=passed, runs=lines)
    head = ("distribution", "has", "backend", "recipe", "build and gate", "result")
    return f"{NOTICE}\n# Recipes that `inv recipe.new` writes\n\n{text}\n{_table(head, rows)}"


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "recipe.md": recipe_page,
    "settings.md": settings_page,
    "errors.md": errors_page,
    "examination.md": examination_page,
    "new-recipes.md": new_recipes_page,
    "systems.md": systems_page,
    "tasks.md": tasks_page,
}


def stale() -> list[str]:
    """The pages that are not what they would be."""
    return [
        name
        for name, page in PAGES.items()
        if not (REFERENCE / name).is_file() or (REFERENCE / name).read_text(encoding="utf-8") != page()
    ]


def main(words: Sequence[str]) -> int:
    """Write the pages, or only look."""
    found = stale()
    if list(words) == ["--check"]:
        sys.stderr.writelines(
            f"docs/reference/{name} is not current: run docs/generate.py\n" for name in found
        )
        return 1 if found else 0
    for name in found:
        (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
