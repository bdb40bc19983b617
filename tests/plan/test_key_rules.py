"""Each input of the build key changes the keys of exactly the builds that depend on it; nothing else does.

A farm of six recipes, described as data, is changed in one place; what the change must reach is worked out
from `HOST` and `RUN` alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.farm import LOCK, builds_of, make_farm, make_toolchain, over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

HOST: Final[Mapping[str, tuple[str, ...]]] = {
    "base": (),
    "tool": (),
    "middle": ("base",),
    "top": ("middle",),
    "script": (),
    "apart": (),
}
RUN: Final[Mapping[str, tuple[str, ...]]] = {
    "middle": ("base", "tool"),
    "top": ("middle",),
    "script": ("base",),
}
BLAS: Final = {"base", "apart"}
FORTRAN: Final = {"middle", "apart"}
NAMES: Final = sorted(HOST)
BLAS_LOCK: Final = f"scipy-openblas32==0.3.34 --hash=sha256:{'c' * 64}\n"
HEADER: Final = "Why: it is needed\nUpstream: none\n\n"
BODY: Final = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"


@dataclass(frozen=True)
class Sketch:
    """A farm and its toolchain as data."""

    recipes: Mapping[str, dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)
    patches: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    toolchain: dict[str, Any] = field(default_factory=dict)

    def recipe(self, name: str, **table: Any) -> Sketch:
        """With more said by a recipe."""
        recipes = dict(self.recipes)
        return replace(self, recipes=recipes | {name: over(recipes[name], table)})

    def farm(self, **table: Any) -> Sketch:
        """With more said by the farm."""
        return replace(self, settings=over(self.settings, table))

    def variant(self, **table: Any) -> Sketch:
        """With more said by the variant."""
        return self.farm(variants={"plain": table})

    def file(self, path: str, text: str) -> Sketch:
        """With another file."""
        return replace(self, files=self.files | {path: text})

    def tools(self, kind: str, **versions: str) -> Sketch:
        """With other facts of the toolchain."""
        return replace(self, toolchain=self.toolchain | {kind: self.toolchain[kind] | versions})

    def keys(self, root: Path) -> dict[str, tuple[str, str]]:
        """Build key and gate key of each recipe, when the farm is written at `root`."""
        for patch in root.glob("patches/*/*"):
            patch.unlink()
        farm = make_farm(root, self.recipes, settings=self.settings, patches=self.patches, files=self.files)
        builds = builds_of(farm, toolchains=[make_toolchain(**self.toolchain)])
        return {name: (build.key, build.gate_key) for name, build in builds.items()}


def _sketch() -> Sketch:
    recipes = {
        name: {
            "requires": {"host": list(HOST[name]), "run": list(RUN.get(name, ()))},
            "blas": name in BLAS,
            "compilers": ["c", "fortran"] if name in FORTRAN else ["c"],
            "config-settings": {"args": ["-Da=b"]},
            "environment": {"CFLAGS": "-O2"},
            "system-packages": {"apt": [f"lib{name}-dev"]},
            "patches": [{"file": "0001.patch"}],
            "test": {"smoke": "smoke.py"},
            "expect": {"tests": False},
        }
        for name in NAMES
    }
    return Sketch(
        recipes=recipes,
        settings={"variants": {"plain": {"provider": "scipy-openblas32", "lock": "plain.lock"}}},
        patches={f"{name}/0001.patch": HEADER + BODY for name in NAMES},
        files={
            "plain.lock": BLAS_LOCK,
            **{f"recipes/{name}/smoke.py": "pass\n" for name in NAMES},
            **{f"recipes/{name}/test.lock": LOCK for name in NAMES},
        },
        toolchain={
            "facts": {"image": "sha256:1"},
            "compilers": {"c": "cc 12", "c++": "c++ 12", "fortran": "gfortran 12"},
            "packages": {f"lib{name}-dev": "1" for name in NAMES},
        },
    )


SKETCH: Final = _sketch()


def _closure(name: str, table: Mapping[str, tuple[str, ...]]) -> set[str]:
    """All that a name needs, by one table."""
    found: set[str] = set()
    for need in table.get(name, ()):
        found |= {need} | _closure(need, table)
    return found


def _in_environment(name: str) -> set[str]:
    """What the build environment of a recipe holds."""
    return {deeper for host in HOST[name] for deeper in {host} | _closure(host, RUN)}


def _rebuilt(touched: set[str]) -> set[str]:
    """What must be built again when the inputs of some recipes changed."""
    while True:
        reached = touched | {name for name in NAMES if _in_environment(name) & touched}
        if reached == touched:
            return touched
        touched = reached


@dataclass(frozen=True)
class Ground:
    """Where the farms are written, and the keys of the unchanged one."""

    root: Path
    keys: Mapping[str, tuple[str, str]]

    def expect(self, sketch: Sketch, *, touched: set[str], gated: set[str] | None = None) -> None:
        """The change must reach these builds and gates, and no others."""
        rebuilt = _rebuilt(touched)
        tested = rebuilt | {name for name in NAMES if _closure(name, RUN) & rebuilt} | (gated or set())
        keys = sketch.keys(self.root)
        assert {name for name in NAMES if keys[name][0] != self.keys[name][0]} == rebuilt
        assert {name for name in NAMES if keys[name][1] != self.keys[name][1]} == tested


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    root = tmp_path_factory.mktemp("farm")
    return Ground(root, SKETCH.keys(root))


def test_the_expectations_of_this_file(ground: Ground) -> None:
    assert _rebuilt({"base"}) == {"base", "middle", "top"}
    # top is compiled where middle is installed, and middle needs tool to run.
    assert _rebuilt({"tool"}) == {"tool", "top"}
    assert _rebuilt({"script"}) == {"script"}
    assert len({key for key, _ in ground.keys.values()}) == len(NAMES)
    ground.expect(SKETCH, touched=set())


TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
OF_ONE_BUILD: Final[dict[str, Callable[[str, str], Sketch]]] = {
    "patch body": lambda name, text: replace(
        SKETCH, patches=SKETCH.patches | {f"{name}/0001.patch": f"{HEADER}{BODY}+{text}\n"}
    ),
    "option": lambda name, text: SKETCH.recipe(name, **{"config-settings": {"args": ["-Da=b", text]}}),
    "new option": lambda name, text: SKETCH.recipe(name, **{"config-settings": {"more": text}}),
    "environment value": lambda name, text: SKETCH.recipe(name, environment={"CFLAGS": f"-O2{text}?"}),
    "new environment value": lambda name, text: SKETCH.recipe(name, environment={"LDFLAGS": text}),
    "engine option": lambda name, text: SKETCH.recipe(name, cibuildwheel={"any": {"thing": text}}),
    "layer": lambda name, text: SKETCH.recipe(
        name, platforms={"linux": {"append": {"environment": {"NEW": text}}}}
    ),
    "version": lambda name, _: SKETCH.recipe(name, version="1.1"),
    "source": lambda name, _: SKETCH.recipe(name, source={"sha256": "c" * 64}),
    "other source": lambda name, text: SKETCH.recipe(name, source={"kind": "archive", "url": text}),
    "build requirement edit": lambda name, _: SKETCH.recipe(name, **{"build-requires": {"add": ["ninja"]}}),
    "metadata edit": lambda name, _: SKETCH.recipe(name, metadata={"requires": {"loosen": ["numpy"]}}),
    "local version": lambda name, _: SKETCH.recipe(name, metadata={"local-version": "team.1"}),
    "build requirement version": lambda name, _: SKETCH.file(
        f"recipes/{name}/build.lock", LOCK.replace("80.9.0", "80.9.1")
    ),
    "build requirement hash": lambda name, _: SKETCH.file(
        f"recipes/{name}/build.lock", LOCK.replace("b" * 64, "d" * 64)
    ),
    "new build requirement": lambda name, _: SKETCH.file(
        f"recipes/{name}/build.lock", LOCK + LOCK.replace("setuptools", "ninja")
    ),
    "system package version": lambda name, text: SKETCH.tools("packages", **{f"lib{name}-dev": f"2{text}"}),
    "no patch": lambda name, _: replace(SKETCH.recipe(name, patches=None), patches=_patches_but(name)),
    "compilers": lambda name, _: SKETCH.recipe(name, compilers=["c", "c++"]),
    "blas": lambda name, _: SKETCH.recipe(name, blas=name not in BLAS),
}


def _patches_but(name: str) -> dict[str, str]:
    return {path: text for path, text in SKETCH.patches.items() if not path.startswith(f"{name}/")}


@pytest.mark.parametrize("change", OF_ONE_BUILD)
@settings(max_examples=3)
@given(name=st.sampled_from(NAMES), text=TEXT)
def test_an_input_of_one_build(ground: Ground, change: str, name: str, text: str) -> None:
    ground.expect(OF_ONE_BUILD[change](name, text), touched={name})


OF_SEVERAL: Final[dict[str, tuple[Sketch, set[str]]]] = {
    "image": (SKETCH.tools("facts", image="sha256:2"), set(NAMES)),
    "new fact": (SKETCH.tools("facts", auditwheel="7"), set(NAMES)),
    "C compiler": (SKETCH.tools("compilers", c="cc 13"), set(NAMES)),
    "C++ compiler": (SKETCH.tools("compilers", **{"c++": "c++ 13"}), set()),
    "Fortran compiler": (SKETCH.tools("compilers", fortran="gfortran 13"), FORTRAN),
    "other system package": (SKETCH.tools("packages", libother="2"), set()),
    "provider": (SKETCH.variant(provider="netlib"), BLAS),
    "provider's wheel": (SKETCH.file("plain.lock", BLAS_LOCK.replace("0.3.34", "0.3.35")), BLAS),
    "provider's packages": (SKETCH.variant(**{"system-packages": {"apt": ["z"]}}), BLAS),
    "the farm's layer": (SKETCH.farm(defaults={"environment": {"NEW": "1"}}), set(NAMES)),
    "no package manager": (replace(SKETCH, toolchain=SKETCH.toolchain | {"manager": None}), set(NAMES)),
    "glibc of the machine": (replace(SKETCH, toolchain=SKETCH.toolchain | {"glibc": (2, 99)}), set()),
    "how to run": (SKETCH.farm(jobs=3, offline=True, **{"time-limit": 1}), set()),
    "the variant's words": (SKETCH.variant(description="?"), set()),
}


@pytest.mark.parametrize("change", OF_SEVERAL)
def test_an_input_of_several_builds(ground: Ground, change: str) -> None:
    sketch, touched = OF_SEVERAL[change]
    ground.expect(sketch, touched=touched)


OF_THE_GATE: Final[dict[str, Callable[[str, str], Sketch]]] = {
    "smoke test": lambda name, text: SKETCH.file(f"recipes/{name}/smoke.py", f"pass\n# {text}"),
    "expectation": lambda name, _: SKETCH.recipe(name, expect={"tests": True}),
    "new expectation": lambda name, _: SKETCH.recipe(name, expect={"blas": "openblas"}),
    "imports": lambda name, _: SKETCH.recipe(name, test={"imports": ["x"]}),
    "test requirement": lambda name, _: SKETCH.file(
        f"recipes/{name}/test.lock", LOCK.replace("80.9.0", "80.9.1")
    ),
}


@pytest.mark.parametrize("change", OF_THE_GATE)
@settings(max_examples=2)
@given(name=st.sampled_from(NAMES), text=TEXT)
def test_what_the_gate_checks_needs_no_compiler(ground: Ground, change: str, name: str, text: str) -> None:
    ground.expect(OF_THE_GATE[change](name, text), touched=set(), gated={name})


def _commented(name: str, text: str) -> Sketch:
    comment = "".join(letter for letter in text if letter.isprintable())
    return SKETCH.file(f"recipes/{name}/build.lock", f"# {comment}\n\n{LOCK}# {comment}")


OF_NOTHING: Final[dict[str, Callable[[str, str], Sketch]]] = {
    "patch header": lambda name, text: replace(
        SKETCH, patches=SKETCH.patches | {f"{name}/0001.patch": f"Why: {text!r}\n\n{BODY}"}
    ),
    "comment in a lock": _commented,
    "requirement of another target": lambda name, _: SKETCH.file(
        f"recipes/{name}/build.lock", f"{LOCK}x==1; os_name=='nt' --hash=sha256:{'e' * 64}"
    ),
    "summary": lambda name, text: SKETCH.recipe(name, summary=text),
    "Python range": lambda name, _: SKETCH.recipe(name, python=">=3.10"),
    "skip": lambda name, text: SKETCH.recipe(name, skip=[{"targets": "*-win32", "reason": text}]),
    "layer of another variant": lambda name, text: SKETCH.recipe(
        name, variants={"netlib": {"append": {"environment": {"NEW": text}}}}
    ),
    "layer of another target": lambda name, text: SKETCH.recipe(
        name, targets={"cp312-*": {"append": {"environment": {"NEW": text}}}}
    ),
    "range of a patch": lambda name, _: SKETCH.recipe(
        name, patches=[{"file": "0001.patch", "versions": "<9", "platforms": ["linux"]}]
    ),
}


@pytest.mark.parametrize("change", OF_NOTHING)
@settings(max_examples=2)
@given(name=st.sampled_from(NAMES), text=TEXT)
def test_what_changes_no_wheel_changes_no_key(ground: Ground, change: str, name: str, text: str) -> None:
    ground.expect(OF_NOTHING[change](name, text), touched=set())
