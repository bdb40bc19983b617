"""What a build sees: the recipe's values byte for byte, the farm's wheels, and nothing else."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.index import Index
from support.packages import GENUINE, make_sdist, tinytop
from support.servers import index_server
from support.tiny import CHAIN, VARIANT, run_farm, tiny_farm
from support.wheels import make_wheel
from wheelfarm.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.settings import Settings

NASTY = {
    "SINGLE": "it's",
    "DOUBLE": 'say "hi"',
    "SLASHES": "\\ \\\\ \\n \\'",
    "DOLLAR": "$HOME ${HOME} $(id) $$ $'x'",
    "TICKS": "`id`",
    "EQUALS": "a=b=c",
    "SPACES": "  two  spaces\tand a tab ",
    "EMPTY": "",
    "NON_ASCII": "é漢🎉",
    "BRACES": "{project} {package} {wheel} ${x",
    "SHELL": "# ; & && | || < > * ~ ! ? [a] (b) <<EOF",
    "CFLAGS": "-DNAME=\"it's\" -g0",
}
COMPILER = "python record_cc.py"
ALWAYS = {"PATH", "HOME", "SOURCE_DATE_EPOCH", "PYTHONHASHSEED", "PIP_NO_INDEX", "MAKEFLAGS"}
ALWAYS |= {"PIP_DISABLE_PIP_VERSION_CHECK", "CMAKE_BUILD_PARALLEL_LEVEL", "NPY_NUM_BUILD_JOBS"}


def compiler_saw(wheel: Path) -> dict[str, str]:
    """The environment of the compiler, as it wrote it into the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/compiler.json"))
        return dict(json.loads(archive.read(name)))


def test_each_build_sees_its_own_values_and_nothing_of_the_machine(index: Index, tmp_path: Path) -> None:
    foreign = {
        "CFLAGS": "-DFOREIGN",
        "LDFLAGS": "-lforeign",
        "CC": "no-such-compiler",
        "PYTHONPATH": "/foreign",
        "PIP_INDEX_URL": "http://127.0.0.1:9/foreign",
        "PIP_CONFIG_FILE": "/foreign",
        "UV_INDEX_URL": "http://127.0.0.1:9/foreign",
        "LD_PRELOAD": "",
        "OPENBLAS_NUM_THREADS": "7",
        "CIBW_BUILD": "none",
        "FOREIGN": "1",
    }
    settings = tiny_farm(
        tmp_path / "farm",
        index,
        {
            "tinybase": {"environment": NASTY | {"CC": COMPILER}},
            "tinytop": {"environment": {"CC": COMPILER, "ONLY_TOP": "1"}},
        },
        environ=foreign,
    )
    run = run_farm(settings)
    assert run.states == {"tinybase": "built", "tinytop": "built"}
    base, top = (compiler_saw(run.wheel(name)) for name in ("tinybase", "tinytop"))
    assert {name: base.get(name) for name in NASTY} == NASTY
    # The build frontend, setuptools and the interpreter add a few of their own.
    own = {"PEP517_BUILD_BACKEND", "_PYPROJECT_HOOKS_BUILD_BACKEND", "LC_CTYPE", "CC", "PLAT"}
    added = {name for name in top if name.startswith(("_PYPROJECT_HOOKS", "__CF"))} | own
    assert set(top) - added == ALWAYS | {"ONLY_TOP"}
    assert set(base) - added == ALWAYS | set(NASTY)
    assert base["PATH"].startswith(str(settings.work / "stages"))


def decoy(directory: Path) -> Path:
    """A wheel of tinybase with the same version and tags as the farm's, but another content."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    files = {
        "tinybase/__init__.py": "def get_include():\n    return __file__.replace('__init__.py', 'include')\n",
        "tinybase/include/tinybase.h": '#define TINY_MARKER "impostor"\n',
    }
    return make_wheel(directory, "tinybase", "1.0", files, tag=f"{python}-{python}-manylinux_2_5_x86_64")


def test_a_decoy_of_the_same_version_on_the_index_is_not_used(index: Index, tmp_path: Path) -> None:
    fake = decoy(tmp_path)
    with index_server() as server:
        for project in {path.name.partition("-")[0] for path in (index.root / "files").iterdir()}:
            files = {path.name: path.read_bytes() for path in (index.root / "files").glob(f"{project}-*")}
            server.add(
                project.replace("_", "-"),
                files | ({fake.name: fake.read_bytes()} if project == "tinybase" else {}),
            )
        settings = tiny_farm(
            tmp_path / "farm",
            index,
            CHAIN,
            settings={"index-url": server.url},
            environ={"PIP_INDEX_URL": server.url, "UV_INDEX_URL": server.url, "PIP_FIND_LINKS": str(tmp_path)},
        )
        run = run_farm(settings)
        asked = server.paths
    assert run.states == {"tinybase": "built", "tinytop": "built"}
    base, top = run.record("tinybase"), run.record("tinytop")
    assert {wheel.name: wheel.sha256 for wheel in top.upstream} == {"tinybase": base.wheel.sha256}
    (held,) = (entry for entry in top.build_requirements if entry.name == "tinybase")
    assert (held.sha256, held.farm) == (base.wheel.sha256, True)
    # tinybase was asked for once, as a source; the decoy never.
    assert asked.count("/simple/tinybase/") == 1
    assert f"/files/{fake.name}" not in asked
    with zipfile.ZipFile(run.wheel("tinytop")) as archive:
        (extension,) = (name for name in archive.namelist() if name.endswith(".so"))
        content = archive.read(extension)
    assert GENUINE.encode() in content
    assert b"impostor" not in content


TAMPERING = {
    "another header": "Path(tinybase.get_include(), 'tinybase.h').write_text('#define TINY_MARKER \"x\"')",
    "no list of files": "metadata('RECORD').unlink(missing_ok=True)",
}
METADATA = """\
from importlib.metadata import distribution
from pathlib import Path

import tinybase


def metadata(name):
    return Path(distribution("tinybase").locate_file(f"tinybase-1.0.dist-info/{name}"))


"""


@pytest.mark.parametrize("how", TAMPERING)
def test_an_environment_that_was_tampered_with_proves_nothing(
    chain: Settings, index: Index, tmp_path: Path, how: str
) -> None:
    """By the source itself, here; the farm's wheel of tinybase was installed and verified before."""
    files = tinytop()
    files["setup.py"] = f"{METADATA}{TAMPERING[how]}\n{files['setup.py']}"
    own = Index(tmp_path / "index")
    own.add(*(index.root / "files").iterdir(), make_sdist(tmp_path, "tinytop", files))
    recipe = chain.recipes / "tinytop" / "recipe.toml"
    old, new = (each.sha256("tinytop-1.0.tar.gz") for each in (index, own))
    recipe.write_text(recipe.read_text().replace(old, new))
    before = list(Wheelhouse(chain.wheelhouse).entries(VARIANT))
    run = run_farm(replace(chain, index_url=own.url))
    assert run.states == {"tinybase": "cached", "tinytop": "failed"}
    error = run.error("tinytop")
    assert (error.slug, error.exit_code) == ("chain", 45)
    assert "the farm's wheel of tinybase" in error.what
    assert list(Wheelhouse(chain.wheelhouse).entries(VARIANT)) == before
    assert not (chain.work / "waiting" / run.build("tinytop").key).exists()
