"""System packages in containers, by the real apt from the mirrors that the builder image names."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from support.packages import tinyleaf
from support.tiny import run_farm, tiny_farm, tiny_index
from wheelfarm.build.containers import container_engine
from wheelfarm.build.error_patterns import Failure
from wheelfarm.model import Isolation
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from support.farm import Table
    from support.index import Index
    from support.tiny import Run

pytestmark = pytest.mark.engine

LOOPBACK_ONLY = """\
from pathlib import Path
assert Path("/usr/include/yaml.h").exists()
interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
assert interfaces == ["lo"], interfaces
"""
SETTINGS = {"engine": "cibuildwheel", "time-limit": 600.0}


@pytest.fixture(scope="module")
def yaml(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """An index whose tinyleaf needs libyaml, and fails in a build that has a network."""
    files = tinyleaf()
    files["setup.py"] = LOOPBACK_ONLY + files["setup.py"].replace('"])]', '"], libraries=["yaml"])]')
    files["native/ext.c"] += (
        "#include <yaml.h>\nconst char *tiny_yaml(void) { return yaml_get_version_string(); }\n"
    )
    return tiny_index(tmp_path_factory.mktemp("yaml"), tinyleaf=files)


def run_leaf(root: Path, index: Index, environ: dict[str, str], package: str, **recipe: object) -> Run:
    """Build tinyleaf with a system package; of its containers and images nothing is left."""
    table: Table = {"tinyleaf": {"system-packages": {"apt": [package]}, **recipe}}
    run = run_farm(tiny_farm(root, index, table, settings=SETTINGS, environ=environ))
    engine = container_engine(run.settings)
    assert engine is not None
    stage = run.settings.work / "stages" / run.build("tinyleaf").id.slug
    label, image = engine.label(stage).removeprefix("--label="), engine.image_of(stage)
    for words in (("ps", "--all", "--quiet", "--filter", f"label={label}"), ("images", "--quiet", image)):
        found = subprocess.run([engine.program, *words], capture_output=True, text=True, check=True)
        assert found.stdout == ""
    return run


def test_they_are_there_and_the_network_is_not(
    yaml: Index, container: dict[str, str], tmp_path: Path
) -> None:
    """Twice: the second build begins with the image of the first, as that was."""
    values = []
    for flavor in ("1", "2"):
        run = run_leaf(tmp_path, yaml, container, "libyaml-dev", environment={"FLAVOR": flavor})
        outcome = run.outcomes["tinyleaf"]
        assert (run.states, outcome.warnings) == ({"tinyleaf": "built"}, ()), str(outcome.error)
        record = run.record("tinyleaf")
        assert any(".libs/libyaml" in name for name in open_wheel(run.wheel("tinyleaf")).names)
        values.append((record.toolchain["package libyaml-dev"], record.toolchain["image"]))
        assert record.isolation is Isolation.CONTAINER
    assert values[0] == values[1]


ERRORS = {
    "libnosuch-dev": "the image's system has no package libnosuch-dev",
    "libyaml-dev=9": "the image's system has another version of libyaml-dev",
}


@pytest.mark.parametrize("package", ERRORS)
def test_a_package_that_apt_does_not_have(
    yaml: Index, container: dict[str, str], tmp_path: Path, package: str
) -> None:
    error = run_leaf(tmp_path, yaml, container, package).error("tinyleaf")
    assert (error.slug, error.failure) == ("provider", Failure.CONFIGURE), str(error)
    assert str(error.why).startswith(f"{ERRORS[package]}\nE: ")
    assert "under system-packages in the recipe" in str(error.hint)


def test_a_mirror_that_does_not_answer(yaml: Index, container: dict[str, str], tmp_path: Path) -> None:
    """For apt-get update it is a warning, and then no package is known."""
    proxies = {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    error = run_leaf(tmp_path, yaml, container | proxies, "libyaml-dev").error("tinyleaf")
    assert (error.slug, error.failure) == ("provider", Failure.NETWORK), str(error)
    assert "E: Failed to fetch http://" in str(error.why)
