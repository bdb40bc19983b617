"""Wheels in a real image of another system, with what the wheelhouse has for them."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.wheels import make_wheel
from wheelfarm.gate.systems import find_system

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.door import Done, Door

LIKE = ("wheel.gate", "--like", "debian12", "--image")
TAG = "cp311-cp311-manylinux2014_x86_64"


@pytest.fixture
def image(container: dict[str, str]) -> str:
    return container["WHEELFARM_IMAGE_MANYLINUX_X86_64"]


@pytest.fixture
def gate(farm: Door, container: dict[str, str], image: str) -> Callable[..., Done]:
    def run(*words: str, named: str = image) -> Done:
        return farm.inv(*LIKE, named, *words, **container)

    return run


def test_a_stored_wheel_and_its_requirement(gate: Callable[..., Done]) -> None:
    finished = gate("tinytop", "--json")
    assert finished.returncode == 0, finished.stderr
    found = json.loads(finished.stdout)
    assert (found["tried"], found["failure"]) == ("import tinytop, smoke test", "")
    assert [each.partition("-")[0] for each in found["beside"]] == ["tinybase"]


def test_the_settings_may_name_the_image(farm: Door, container: dict[str, str], image: str) -> None:
    project = farm.root / "pyproject.toml"
    table = f'[tool.wheelfarm.system-images]\ndebian12 = "{image}"\n'
    project.write_text(f"{project.read_text()}\n{table}")
    finished = farm.inv("wheel.gate", "tinytop", "--like", "debian12", **container)
    assert f"passed in {image}: import tinytop, smoke test" in finished.stdout
    project.write_text(project.read_text().replace("debian12", "debian_12"))
    finished = farm.inv("wheel.gate", "tinytop", "--like", "debian12", **container)
    assert finished.returncode == 2
    assert "where: system-images.debian_12\n  next: did you mean 'debian12'?" in finished.stderr


def test_a_wheel_without_a_recipe_that_fails_there(gate: Callable[..., Done], tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "demo", "1.0", {"demo/__init__.py": "raise OSError('not here')\n"}, tag=TAG)
    finished = gate(str(wheel))
    assert finished.returncode == 61
    assert "import demo: OSError: not here" in finished.stderr


@pytest.mark.parametrize(
    ("requires", "tag", "named", "why"),
    [
        ([], TAG, {"named": "localhost/none:1"}, "the image localhost/none:1 is not on this machine"),
        ([], "cp319-cp319-manylinux2014_x86_64", {}, "the image has no Python 3.19"),
        (["numpy>=2"], TAG, {}, "the wheelhouse has no numpy>=2"),
    ],
)
def test_what_cannot_be_tried_leaves_the_static_result(
    requires: list[str], tag: str, named: dict[str, str], why: str, gate: Callable[..., Done]
) -> None:
    with tempfile.TemporaryDirectory() as root:
        files = {"demo/__init__.py": ""}
        wheel = make_wheel(Path(root), "demo", "1.0", files, tag=tag, requires=requires)
        finished = gate(str(wheel), **named)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("Debian 12, glibc 2.36: nothing is missing\n")
    assert f"not tried there: {why}" in finished.stdout


def test_the_table_of_debian_12_is_right(image: str) -> None:
    system, libraries = find_system("debian12"), "/usr/lib/x86_64-linux-gnu"

    def run(line: str) -> str:
        words = ["podman", "run", "--rm", "--network=none", image, "sh", "-c", line]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

    assert run("ldd --version | head -1").endswith(f" {system.glibc}")
    for prefix, expected in (("GLIBCXX", system.glibcxx), ("CXXABI", system.cxxabi)):
        newest = f"grep -aoE '{prefix}_[0-9.]+' {libraries}/libstdc++.so.6 | sort -uV | tail -1"
        assert run(newest) == f"{prefix}_{expected}"
    assert run(f"cd {libraries} && ls {' '.join(system.libraries)}").split() == sorted(system.libraries)
