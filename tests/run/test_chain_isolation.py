"""What a build sees: the recipe's values byte for byte, the farm's wheels, and nothing else."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.packages import GENUINE, make_sdist, tinyleaf, tinytop
from support.seen import ALWAYS, NASTY, added_by_tools, compiler_saw, decoy, serve
from support.servers import index_server
from support.store import listed
from support.tiny import CHAIN, LEAF, VARIANT, run_farm, tiny_farm, tiny_index
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from support.index import Index
    from wheelfarm.recipes.settings import Settings


@pytest.mark.slow
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
    # Its path: on the host no directory of the user's is on a build's PATH.
    compiler = f"{Path(sys.executable).resolve()} record_cc.py"
    settings = tiny_farm(
        tmp_path / "farm",
        index,
        {
            "tinybase": {"environment": NASTY | {"CC": compiler}},
            "tinytop": {"environment": {"CC": compiler, "ONLY_TOP": "1"}},
        },
        environ=foreign,
    )
    run = run_farm(settings)
    assert run.states == {"tinybase": "built", "tinytop": "built"}
    base, top = (compiler_saw(run.wheel(name)) for name in ("tinybase", "tinytop"))
    assert {name: base.get(name) for name in NASTY} == NASTY
    # The linkers are set where this Python would put its own library directory into the modules.
    linkers = {"LDSHARED", "LDCXXSHARED"}
    assert set(top) - added_by_tools(top) - linkers == ALWAYS | {"TMPDIR", "ONLY_TOP", "LDFLAGS"}
    assert top["LDFLAGS"] == "-Wl,--strip-all"  # the farm's own default, and nothing foreign
    assert set(base) - added_by_tools(base) - linkers == ALWAYS | {"TMPDIR", "LDFLAGS"} | set(NASTY)
    stage = settings.stages / run.build("tinybase").id.slug
    assert base["PATH"].startswith(f"{stage}/env/")
    assert [Path(base[name]).relative_to(stage).as_posix() for name in ("HOME", "TMPDIR")] == ["home", "tmp"]


@pytest.mark.slow
def test_a_decoy_of_the_same_version_on_the_index_is_not_used(index: Index, tmp_path: Path) -> None:
    fake = decoy(tmp_path, f"cp{sys.version_info.major}{sys.version_info.minor}")
    with index_server() as server:
        serve(server, index, fake)
        settings = tiny_farm(
            tmp_path / "farm",
            index,
            CHAIN,
            settings={"index-url": server.url},
            environ={
                "PIP_INDEX_URL": server.url,
                "UV_INDEX_URL": server.url,
                "PIP_FIND_LINKS": str(tmp_path),
            },
        )
        run = run_farm(settings)
        paths = server.paths
    assert run.states == {"tinybase": "built", "tinytop": "built"}
    base, top = run.record("tinybase"), run.record("tinytop")
    assert {wheel.name: wheel.sha256 for wheel in top.upstream} == {"tinybase": base.wheel.sha256}
    (installed,) = (entry for entry in top.build_requirements if entry.name == "tinybase")
    assert (installed.sha256, installed.farm) == (base.wheel.sha256, True)
    # tinybase was requested once, as a source; the decoy never.
    assert paths.count("/simple/tinybase/") == 1
    assert f"/files/{fake.name}" not in paths
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


@pytest.mark.slow
@pytest.mark.parametrize("how", TAMPERING)
def test_an_environment_that_was_tampered_with_proves_nothing(
    chain: Settings, index: Index, tmp_path: Path, how: str
) -> None:
    """By the source itself, here; the farm's wheel of tinybase was installed and verified before."""
    files = tinytop()
    files["setup.py"] = f"{METADATA}{TAMPERING[how]}\n{files['setup.py']}"
    own = index.copy(tmp_path / "index")
    own.add(make_sdist(tmp_path, "tinytop", files))
    recipe = chain.recipes / "tinytop" / "recipe.toml"
    old, new = (each.sha256("tinytop-1.0.tar.gz") for each in (index, own))
    recipe.write_text(recipe.read_text().replace(old, new))
    before = listed(Wheelhouse(chain.wheelhouse), VARIANT)
    run = run_farm(chain.replace(index_url=own.url))
    assert run.states == {"tinybase": "cached", "tinytop": "failed"}
    error = run.error("tinytop")
    assert (error.slug, error.exit_code) == ("chain", 45)
    assert "the farm's wheel of tinybase" in error.what
    assert listed(Wheelhouse(chain.wheelhouse), VARIANT) == before
    assert not (chain.work / "ungated" / run.build("tinytop").key).exists()


@pytest.mark.slow  # builds; system/test_sandbox.py has the sandbox alone
def test_a_build_script_cannot_download(tmp_path: Path) -> None:
    """Not even from this machine: whatever it fetches, nobody has verified."""
    with index_server() as server:
        server.add("leaf", {"leaf-1.0.tar.gz": b"unverified"})
        files = tinyleaf()
        files["setup.py"] = (
            f"import urllib.request\nurllib.request.urlopen({server.url + 'leaf/'!r})\n{files['setup.py']}"
        )
        own = tiny_index(tmp_path / "index", tinyleaf=files)
        run = run_farm(tiny_farm(tmp_path / "farm", own, LEAF))
        assert run.states == {"tinyleaf": "failed"}
        assert "Connection refused" in str(run.error("tinyleaf").why)
        assert server.paths == []


@pytest.mark.slow
def test_nothing_is_fetched_twice(index: Index, tmp_path: Path) -> None:
    """Both packages of the chain are built with the same requirements, and so is the second Python's."""
    with index_server() as server:
        serve(server, index)
        settings = tiny_farm(tmp_path / "farm", index, CHAIN, settings={"index-url": server.url})
        assert run_farm(settings).states == {"tinybase": "built", "tinytop": "built"}
        files = [path for path in server.paths if path.startswith("/files/")]
        assert len(files) == len(set(files)) > len(CHAIN)
