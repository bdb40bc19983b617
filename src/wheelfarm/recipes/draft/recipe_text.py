"""Writes a drafted recipe as TOML: what is known as values, what is not as comments."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import tomlkit

from wheelfarm.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from wheelfarm.recipes.draft.build_options import BuildOption
    from wheelfarm.recipes.draft.system_libraries import SystemLibrary

_WIDTH: Final = 108
_SCHEMA: Final = "#:schema ../../docs/reference/recipe.schema.json"


@dataclass(frozen=True, kw_only=True)
class DraftedRecipe:
    """The values of a recipe to write; what is empty is left out."""

    name: str
    version: str
    summary: str
    sha256: str
    subdirectory: str | None = None
    """Of the project in the source; None for its top."""
    python: str | None = None
    """None for the recipe's default."""
    compilers: Sequence[str] | None = None
    """None for the recipe's default; nothing for a pure wheel."""
    blas: bool = False
    without_blas: Sequence[str] = ()
    """Variants that it cannot be built for."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Config settings."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the build."""
    host: Sequence[str] = ()
    run: Sequence[str] = ()
    add: Sequence[str] = ()
    replace: Mapping[str, str] = field(default_factory=dict)
    remove_files: Mapping[str, str] = field(default_factory=dict)
    """Glob → what such files are."""
    allow_files: Mapping[str, str] = field(default_factory=dict)
    """Glob → reason."""
    libraries: Sequence[SystemLibrary] = ()
    tests: bool | None = None
    tests_replaced: bool = False
    """Whether the farm's own layer says something else about tests."""
    vendors: Sequence[str] | None = None
    abi3: bool = False
    needs: Sequence[str] = ()
    """Libraries of each Linux that the farm's layer does not name."""
    dispatched: Mapping[str, str] = field(default_factory=dict)
    """Finding of the examination → reason, on x86-64."""
    imports: Sequence[str] = ()
    smoke: str = ""
    meson: Sequence[BuildOption] = ()
    cmake: Sequence[BuildOption] = ()
    schema: bool = True
    questions: Sequence[str] = ()

    def expecting_tests(self, *, present: bool, default: bool | None) -> Self:
        """The recipe that expects tests or none, where the farm's own layer does not say the same already.

        Args:
            present: whether the wheel has tests inside.
            default: what the farm's layer says; None where it says nothing.
        """
        differs = default is not None and present is not default
        return replace(self, tests=present if default is None or differs else None, tests_replaced=differs)


def render_recipe(recipe: DraftedRecipe) -> str:
    """The text of recipe.toml."""
    return "\n".join(_lines(recipe)) + "\n"


def text(value: str) -> str:
    """A TOML string."""
    return tomlkit.item(value).as_string()


def texts(values: Iterable[str]) -> str:
    """A TOML array of strings."""
    return f"[{', '.join(map(text, values))}]"


def _comment(line: str) -> list[str]:
    """A text as comment lines, whatever characters it has."""
    words = " ".join(printable(" ".join(line.split())).split())
    return [f"# {each}" for each in textwrap.wrap(words, _WIDTH, break_long_words=False)]


def _lines(recipe: DraftedRecipe) -> Iterator[str]:
    yield from _top(recipe)
    yield from ("", "[source]", 'kind = "sdist"', f"sha256 = {text(recipe.sha256)}")
    if recipe.subdirectory:
        yield f"subdirectory = {text(recipe.subdirectory)}"
    yield from _files(recipe)
    yield from _build_requires(recipe)
    yield from _libraries(recipe.libraries)
    yield from _blas(recipe)
    if recipe.environment:
        yield from ("", "[environment]")
        yield from (f"{text(name)} = {text(value)}" for name, value in recipe.environment.items())
    head = () if recipe.settings else ("# [config-settings]",)
    yield from _meson(recipe.meson, head)
    yield from _cmake(recipe.cmake, head)
    yield from _expectations(recipe)
    yield from ("", "[test]")
    if recipe.imports:
        yield f"imports = {texts(recipe.imports)}"
    if recipe.smoke:
        yield f"smoke = {text(recipe.smoke)}"


def _top(recipe: DraftedRecipe) -> Iterator[str]:
    if recipe.schema:
        yield _SCHEMA
    for question in recipe.questions:
        yield from _comment(f"Question: {question}")
    yield f"name = {text(recipe.name)}"
    yield f"version = {text(recipe.version)}"
    yield f"summary = {text(recipe.summary)}"
    if recipe.python:
        yield f"python = {text(recipe.python)}"
    if recipe.compilers is not None:
        yield f"compilers = {texts(recipe.compilers)}"
    if recipe.blas:
        yield "blas = true"
    edges = {"host": recipe.host, "run": recipe.run}
    if any(edges.values()):
        inner = ", ".join(f"{key} = {texts(names)}" for key, names in edges.items() if names)
        yield f"requires = {{ {inner} }}"


def _build_requires(recipe: DraftedRecipe) -> Iterator[str]:
    if recipe.add or recipe.replace:
        yield from ("", "[build-requires]")
        yield from [f"add = {texts(recipe.add)}"] if recipe.add else []
        inner = ", ".join(f"{text(name)} = {text(each)}" for name, each in recipe.replace.items())
        yield from [f"replace = {{ {inner} }}"] if inner else []


def _blas(recipe: DraftedRecipe) -> Iterator[str]:
    if recipe.without_blas:
        reason = text("it links BLAS or LAPACK")
        yield from ("", "[[skip]]", f"variants = {texts(recipe.without_blas)}", f"reason = {reason}")
    if recipe.settings:
        yield from ("", "[config-settings]", "# The BLAS of the variant, and not what the system has.")
        yield from (f"{text(key)} = {text(value)}" for key, value in recipe.settings.items())


def _files(recipe: DraftedRecipe) -> Iterator[str]:
    for kind in dict.fromkeys(recipe.remove_files.values()):
        yield from _comment(f"{kind}: the build makes its own, or does without")
    if recipe.remove_files:
        yield f"remove = {texts(recipe.remove_files)}"
    if recipe.allow_files:
        yield from ("", "[source.allow]")
        yield from (f"{text(glob)} = {text(reason)}" for glob, reason in recipe.allow_files.items())


def _libraries(libraries: Sequence[SystemLibrary]) -> Iterator[str]:
    if not libraries:
        return
    yield from ("", "[system-packages]")
    for each in libraries:
        why = f"the source includes {each.header}" if each.header else "the build files need it"
        yield from _comment(f"{each.name}: {why}; with Homebrew it is {each.brew}")
    yield f"apt = {texts(each.apt for each in libraries)}"
    yield f"dnf = {texts(each.dnf for each in libraries)}"


def _meson(options: Sequence[BuildOption], head: Iterable[str]) -> Iterator[str]:
    if not options:
        return
    yield from ("", "# The options of the project's Meson, with their defaults:")
    yield from (*head, "# setup-args = [")
    yield from (_option(f'"-D{each.name}={each.default}",', each.description) for each in options)
    yield "# ]"


def _cmake(options: Sequence[BuildOption], head: Iterable[str]) -> Iterator[str]:
    if not options:
        return
    yield from ("", "# The options of the project's CMake, with their defaults:", *head)
    yield from (
        _option(f'"cmake.define.{each.name}" = "{each.default}"', each.description) for each in options
    )


def _option(setting: str, description: str) -> str:
    line = f"#     {setting}  # {description}" if description else f"#     {setting}"
    return printable(" ".join(line.split(" "))).rstrip()[: 2 * _WIDTH]


def _expectations(recipe: DraftedRecipe) -> Iterator[str]:
    own = []
    if recipe.tests is not None and not recipe.tests_replaced:
        own.append(f"tests = {str(recipe.tests).lower()}")
    if recipe.vendors is not None:
        own.append(f"vendors = {texts(recipe.vendors)}")
    if recipe.abi3:
        own.append("abi3 = true")
    if own:
        yield from ("", "[expect]", *own)
    if recipe.tests is not None and recipe.tests_replaced:
        yield from ("", "[farm.replace]")
        if recipe.tests:
            yield "# The wheel has its tests inside: [splits.tests] makes a wheel of its own of them."
        yield f"expect.tests = {str(recipe.tests).lower()}"
    if recipe.needs:
        yield from ("", "[platforms.linux.append]", f"expect.needs = {texts(recipe.needs)}")
    if recipe.dispatched:
        yield from ("", '[targets."*linux_x86_64".append.expect.allow]')
        yield from (f"{text(key)} = {text(reason)}" for key, reason in recipe.dispatched.items())
