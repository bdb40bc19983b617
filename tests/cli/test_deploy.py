"""inv deploy.layer, in a farm whose chain was built."""

from __future__ import annotations

import json
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from support.door import Door

if TYPE_CHECKING:
    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tiny packages are for Linux")

HERE = ("--like", "debian13", "--engine", "host")
"""A system with a glibc that is newer than this machine's."""


@pytest.fixture
def farm(chain: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(chain.root, capsys, monkeypatch)


def test_a_layer_is_made_and_tested(farm: Door) -> None:
    done = farm.inv("deploy.layer", "tinytop", *HERE, "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    # tinytop needs it.
    assert data["tested"] == ["tinybase", "tinytop"]
    assert data["unpacked"] == sum(sum(kinds.values()) for kinds in data["sizes"].values()) < data["limit"]
    assert (farm / "layer.zip").stat().st_size == data["zipped"]


@pytest.mark.slow
def test_it_is_the_same_again_and_may_have_bytecode(farm: Door) -> None:
    farm.inv("deploy.layer", "tinytop", *HERE)
    first = (farm / "layer.zip").read_bytes()
    done = farm.inv("deploy.layer", "tinytop", *HERE, "--pyc", "--output", "out/other.zip")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("out/other.zip: ")
    with zipfile.ZipFile(farm / "out/other.zip") as archive:
        assert any(name.endswith(".pyc") for name in archive.namelist())
    farm.inv("deploy.layer", "tinytop", *HERE)
    assert (farm / "layer.zip").read_bytes() == first


def test_a_dry_run_writes_nothing(farm: Door) -> None:
    done = farm.inv("deploy.layer", "tinytop", *HERE, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("would have ")
    assert not (farm / "layer.zip").exists()


def test_a_limit_that_is_too_small_says_what_leaving_out_saves(farm: Door) -> None:
    done = farm.inv("deploy.layer", "tinybase,tinytop", *HERE, "--limit", "1k", "--pyc")
    assert (done.returncode, done.stdout) == (85, "")
    assert "and the limit is 1,000" in done.stderr
    assert "without --pyc: " in done.stderr
    assert "without tinytop and what only it needs: " in done.stderr
    assert not (farm / "layer.zip").exists()


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (
            ["tinytop", "--like", "alpine3.20"],
            ["does not run on Alpine Linux 3.20", "another system: --like"],
        ),
        (["nosuch", *HERE], ["the wheelhouse has no nosuch", "inv chain nosuch"]),
        (["tinytop", *HERE, "--python", "3.12"], ["the wheelhouse has no tinytop", "--python 3.12"]),
        (["tinytop", *HERE, "--python", "3.11,3.12"], ["a layer is for one Python", "3.11, 3.12 are chosen"]),
        (
            ["tinytop", *HERE, "--platform", "manylinux_x86_64,manylinux_aarch64"],
            ["a layer is for one platform", "manylinux_aarch64, manylinux_x86_64 are chosen"],
        ),
        (["tinytop", "--python", "3.14"], ["Lambda's runtime for Python 3.14 is unknown", "--like"]),
        (["tinytop", *HERE[2:], "--like", "debain13"], ["there is no system 'debain13'", "debian13"]),
        (["tinytop", *HERE, "--keep", "test"], ["'test' is never left out", "tests"]),
        (["tinytop", *HERE, "--limit", "250 MiB"], ["'250 MiB' is no size"]),
    ],
)
def test_what_cannot_be_made(farm: Door, words: list[str], messages: list[str]) -> None:
    done = farm.inv("deploy.layer", *words)
    assert done.returncode != 0
    assert [each for each in messages if each not in done.stderr] == [], done.stderr
    assert not (farm / "layer.zip").exists()


@pytest.mark.slow
def test_a_package_that_does_not_work_from_the_layer(farm: Door, chain: Settings) -> None:
    """The ZIP file of an earlier run stays."""
    (farm / "layer.zip").write_text("an earlier one")
    smoke = chain.recipes / "tinytop" / "smoke.py"
    smoke.write_text("import nosuch\n")
    done = farm.inv("deploy.layer", "tinytop", *HERE)
    assert done.returncode == 85
    assert "tinytop does not work from the layer" in done.stderr
    assert "No module named 'nosuch'" in done.stderr
    assert (farm / "layer.zip").read_text() == "an earlier one"


NO_ENGINE = {"WHEELFARM_CONTAINER_ENGINE": "docker", "DOCKER_HOST": "unix:///none"}


def test_without_a_container_engine_the_build_context_is_made(farm: Door) -> None:
    """tests/engine/test_image.py has what an engine does."""
    contexts = []
    for name in ("one", "two"):
        done = farm.inv("deploy.image", "tinytop", "--output", name, "--tag", "localhost/a:1", **NO_ENGINE)
        assert done.returncode == 0, done.stderr
        assert "neither the base was examined nor the image built" in done.stdout
        command = f"podman build --layers=false --timestamp=315532800 --file={name}/Containerfile {name}"
        assert done.stdout.endswith(f"next: {command} --tag=localhost/a:1\n")
        contexts.append({path.name: path.read_bytes() for path in (farm / name).iterdir()})
    assert contexts[0] == contexts[1]
    assert contexts[0].keys() == {"Containerfile", "opt.tar"}


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["tinytop"], ["neither podman nor docker answers here", "--output DIRECTORY"]),
        (["tinytop", "--tag", "A b"], ["'A b' is no name of an image", "--tag"]),
        (["tinytop", "--base", "a\nRUN b"], ["is no name of an image", "--base"]),
        (["tinytop", "--platform", "musllinux_x86_64"], ["not made of wheels for musllinux", "--platform"]),
        (["tinytop", "--python", "3.11,3.12"], ["an image is for one Python", "3.11, 3.12 are chosen"]),
        (["nosuch", "--output", "out"], ["the wheelhouse has no nosuch", "inv chain nosuch"]),
        (
            ["tinytop", "--output", "out", "--limit", "1k"],
            ["the image has ", "and the limit is 1,000", "without tinytop and what only it needs: "],
        ),
        (["tinytop", "--output", "pyproject.toml/out"], ["pyproject.toml"]),
    ],
)
def test_an_image_that_cannot_be_made(farm: Door, words: list[str], messages: list[str]) -> None:
    done = farm.inv("deploy.image", *words, **NO_ENGINE)
    assert done.returncode not in {0, 75}, done.stderr
    assert [each for each in messages if each not in done.stderr] == [], done.stderr
    assert not (farm / "out").exists()
