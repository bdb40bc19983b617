"""The tiny packages through real cibuildwheel in real containers, with two Pythons."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from support.edited import LOCAL, edited_farm, edited_index
from support.index import Index
from support.packages import BROKEN, make_sdist, tinybase, tinyleaf, tinytop
from support.seen import ALWAYS, COMPILER, NASTY, compiler_saw, decoy, serve
from support.servers import index_server
from support.tiny import ABI3, CHAIN, LEAF, check_chain, run_farm, tiny_farm
from support.wheels import make_wheel
from support.wrong_record import check_the_error_of_a_build
from wheelfarm.build.engine import SilentListener
from wheelfarm.errors import GateTestError
from wheelfarm.gate.clean_environment import CleanEnvironment, run_wheel_tests
from wheelfarm.model import PinnedWheel, Python
from wheelfarm.run.farm import Farm
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.engine

CIBUILDWHEEL = {"engine": "cibuildwheel"}
OWN_TABLE = '\n[tool.cibuildwheel]\nenable = ["no-such-group"]\nbefore-build = "exit 1"\nno-such-option = 1\n'


def farm_with(root: Path, index: Index, container: dict[str, str], **words: Any) -> Settings:
    settings: Table = {**CIBUILDWHEEL, **words.pop("settings", {})}
    recipes = words.pop("recipes", CHAIN)
    environ = container | words.pop("environ", {})
    return tiny_farm(root, index, recipes, settings=settings, environ=environ, **words)


def index_with(root: Path, index: Index, **files: dict[str, str]) -> Index:
    """The index with other sources in the place of some."""
    root.mkdir()
    own = Index(root / "index")
    own.add(
        *(index.root / "files").iterdir(), *(make_sdist(root, name, text) for name, text in files.items())
    )
    return own


def test_the_chain_and_all_that_could_disturb_it(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    """Values with all sorts of characters, a decoy on the index, a table of the source's own, this host."""
    files = tinybase()
    own = index_with(
        tmp_path / "own",
        index,
        tinybase=files | {"pyproject.toml": files["pyproject.toml"] + OWN_TABLE},
    )
    recipes: dict[str, Table] = {
        "tinybase": {"environment": NASTY | {"CC": COMPILER}},
        "tinytop": {"environment": {"CC": COMPILER, "ONLY_TOP": "1"}},
    }
    fake = decoy(tmp_path, "cp311")
    with index_server() as server:
        serve(server, own, fake)
        foreign = {"CFLAGS": "-lforeign", "CIBW_BUILD": "none", "CIBW_ENVIRONMENT": "A=1", "FOREIGN": "1"}
        settings = farm_with(
            tmp_path / "farm",
            own,
            container,
            recipes=recipes,
            settings={"index-url": server.url},
            environ=foreign | {"PIP_INDEX_URL": server.url, "UV_INDEX_URL": server.url},
        )
        run = run_farm(settings)
        paths = server.paths
    check_chain(run)
    base, top = (compiler_saw(run.wheel(name)) for name in ("tinybase", "tinytop"))
    assert {name: base.get(name) for name in NASTY} == NASTY
    assert ALWAYS | {"ONLY_TOP"} <= top.keys()
    assert not {"A", "FOREIGN", "CFLAGS", "CIBW_BUILD", "DOUBLE", "UV_INDEX_URL"} & top.keys()
    assert f"/files/{fake.name}" not in paths
    with zipfile.ZipFile(run.wheel("tinytop")) as archive:
        (extension,) = (name for name in archive.namelist() if name.endswith(".so"))
        assert b"genuine" in archive.read(extension)
        assert b"impostor" not in archive.read(extension)
    assert run_farm(settings).states == {"tinybase": "cached", "tinytop": "cached"}


def test_another_python(index: Index, container: dict[str, str], tmp_path: Path) -> None:
    settings = farm_with(tmp_path / "farm", index, container, settings={"pythons": ["3.13"]})
    run = run_farm(settings)
    check_chain(run)
    assert "-cp313-cp313-" in run.wheel("tinytop").name
    # The other Python's wheels are not these.
    other = Farm(settings=settings.replace(pythons=(Python(major=3, minor=11),)))
    assert not {build.key for build in other.plan(None).builds} & {
        outcome.build.key for outcome in run.outcomes.values()
    }


def test_a_wheel_for_several_pythons_is_tried_with_each(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    """The builder image has 3.11 and 3.13, and a directory of 3.9 that leads to another Python."""
    run = run_farm(farm_with(tmp_path / "farm", index, container, recipes=ABI3))
    assert run.states == {"tinyabi3": "built"}, str(run.outcomes["tinyabi3"].error)
    assert "-cp311-abi3-" in run.wheel("tinyabi3").name
    found = [(each["check"], each["environment"]) for each in run.record("tinyabi3").gate_results]
    assert [each for each in found if each[1]] == [
        (check, f"Python {python}") for python in ("3.11", "3.13") for check in ("imports", "smoke")
    ]


def test_the_host_engine_makes_the_same_of_it(index: Index, tmp_path: Path) -> None:
    run = run_farm(tiny_farm(tmp_path / "farm", index))
    assert run.states == {"tinybase": "built", "tinytop": "built"}
    assert run.record("tinytop").engine == "host"


def test_a_compiler_that_dies(index: Index, container: dict[str, str], tmp_path: Path) -> None:
    recipes = {"tinybase": {"patches": [{"file": "0001-break.patch"}]}}
    settings = farm_with(
        tmp_path / "farm",
        index,
        container,
        recipes=recipes,
        patches={"tinybase/0001-break.patch": BROKEN},
    )
    run = run_farm(settings)
    error = run.error("tinybase")
    assert (error.slug, error.exit_code) == ("build", 43)
    assert error.log is not None
    assert "#error the farm's own mistake" in error.log.read_text()
    assert not list(settings.wheelhouse.rglob("*.whl"))


def test_a_tampered_environment_proves_nothing(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    files = tinytop()
    how = "import tinybase\nopen(tinybase.get_include() + '/tinybase.h', 'a').write('/* x */')\n"
    own = index_with(tmp_path / "own", index, tinytop=files | {"setup.py": how + files["setup.py"]})
    settings = farm_with(tmp_path / "farm", own, container)
    run = run_farm(settings)
    assert run.states == {"tinybase": "built", "tinytop": "failed"}
    assert run.error("tinytop").slug == "chain"


def test_a_wheel_that_needs_the_build_s_library_fails_in_a_fresh_container(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    """The clean environment has neither the build directory nor the packages of the build."""
    farm = Farm(settings=farm_with(tmp_path / "farm", index, container, recipes=LEAF))
    (build,) = farm.plan(None).builds
    code = "import ctypes\nctypes.CDLL('/project/source/native/libtiny.so')\n"
    wheel = make_wheel(tmp_path, "tinyleaf", "1.0", {"tinyleaf.py": code})
    pinned = PinnedWheel(
        name=build.id.name, version="1.0", path=wheel, sha256=sha256_of_file(wheel), farm=True
    )
    clean, log = CleanEnvironment.of(build, pinned), tmp_path / "gate.log"
    with pytest.raises(GateTestError, match="the test failed") as caught:
        run_wheel_tests(build, clean, farm.engine, tmp_path / "clean", log=log, listener=SilentListener())
    assert "libtiny.so: cannot open shared object file" in str(caught.value.why)


def test_a_project_in_a_subdirectory(index: Index, container: dict[str, str], tmp_path: Path) -> None:
    """Its parent is there, since it may read from it."""
    code = "assert open('../shared.txt').read() == 'of all'\n"
    files = {f"python/{name}": text for name, text in tinyleaf().items()} | {"shared.txt": "of all"}
    files["python/setup.py"] = code + files["python/setup.py"]
    own = index_with(tmp_path / "own", index, tinyleaf=files)
    recipes: dict[str, Table] = {"tinyleaf": {"source": {"subdirectory": "python"}}}
    settings = farm_with(tmp_path / "farm", own, container, recipes=recipes, settings={"time-limit": 600.0})
    run = run_farm(settings)
    assert run.states == {"tinyleaf": "built"}, str(run.outcomes["tinyleaf"].error)


def test_a_wrong_record_is_found_before_the_repair_tool_runs(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    check_the_error_of_a_build(tmp_path, index, settings=CIBUILDWHEEL, environ=container)


def test_edited_metadata_and_a_local_version(container: dict[str, str], tmp_path: Path) -> None:
    """Containers get the wheel with what it requires, beside a public one that requires something else."""
    index = edited_index(tmp_path / "index")
    run = run_farm(edited_farm(tmp_path / "farm", index, environ=container, engine="cibuildwheel"))
    assert run.states == {"tinybase": "built", "tinytop": "built"}, [
        str(outcome.error) for outcome in run.outcomes.values()
    ]
    wheels = [open_wheel(run.wheel(name)) for name in ("tinybase", "tinytop")]
    assert [(each.version, each.metadata.requires_dist) for each in wheels] == [
        (LOCAL, ("quick", "plus>=1")),
        ("1.0", ("tinybase~=1.0", "quick>=2")),
    ]
    environment = {str(each.name): each.version for each in run.record("tinytop").build_requirements}
    assert (environment["tinybase"], environment["plus"]) == (LOCAL, "1.0")
