"""inv deploy.image with real containers: the same image each time, and bases that do not fit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64encode
from typing import TYPE_CHECKING, Final

import pytest

from support.index import seed_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.door import Done, Door
    from support.index import Index

SLIM: Final = "localhost/wheelfarm-slim:bookworm"
DISTROLESS: Final = "localhost/wheelfarm-distroless:bookworm"
"""Those of .ci/slim-base."""
TAG: Final = "localhost/wheelfarm-test-image:1"
OTHERS: Final = re.compile("localhost/wheelfarm-([0-9a-f]+|test-foreign)")
CODE: Final = "import os, tinytop; print(os.getuid(), os.environ['PYTHONPATH'], tinytop.built_against())"
ANSWER: Final = {
    "python": "3.11",
    "machine": "x86_64",
    "glibc": "2.36",
    "glibcxx": "3.4.30",
    "cxxabi": "1.3.13",
    "libraries": [],
}
"""What deploy/base_image.py reads of the Python of a base."""


def podman(*words: str, stdin: str = "") -> str:
    finished = subprocess.run(["podman", *words], check=True, capture_output=True, text=True, input=stdin)
    return finished.stdout.strip()


def image_id(name: str) -> str:
    return podman("image", "inspect", "--format={{.Id}}", name)


def images() -> set[str]:
    """All but those that tests beside these make: images of builds, and of another processor."""
    lines = podman("images", "--all", "--no-trunc", "--format={{.ID}} {{.Repository}}").splitlines()
    found = [line.removeprefix("sha256:").split() for line in lines]
    return {image for image, name in found if not OTHERS.fullmatch(name)}


@pytest.fixture
def deploy(farm: Door, container: dict[str, str]) -> Iterator[Callable[..., Done]]:
    def run(*words: str, base: str = SLIM) -> Done:
        return farm.inv("deploy.image", "tinytop", "--base", base, "--tag", TAG, *words, **container)

    yield run
    subprocess.run(["podman", "rmi", "--force", TAG], check=False, capture_output=True)


@pytest.fixture
def base() -> Iterator[Callable[..., str]]:
    """Makes a base of the slim one: by lines of a Containerfile."""
    made = []

    def make(*lines: str) -> str:
        text = "\n".join([f"FROM {SLIM}", *lines])
        made.append(podman("build", "--quiet", "--layers=false", "--network=none", "-", stdin=text))
        name = f"localhost/wheelfarm-test-base:{len(made)}"
        podman("tag", made[-1], name)
        return name

    yield make
    for image in made:
        podman("rmi", "--force", image)


@pytest.mark.parametrize("base_name", [SLIM, DISTROLESS])
def test_an_image_works_as_another_user_and_is_the_same_again(
    deploy: Callable[..., Done], farm: Door, base_name: str
) -> None:
    done = deploy("--json", "--output", "context", base=base_name)
    assert done.returncode == 0, done.stderr
    data, first = json.loads(done.stdout), image_id(TAG)
    # tinytop needs it.
    assert data["tested"] == ["tinybase", "tinytop"]
    assert data["id"] == first
    assert data["base-size"] < data["size"]
    assert podman("run", "--rm", "--network=none", TAG, "-c", CODE).startswith("65532 /opt/python ")
    labels = json.loads(podman("image", "inspect", "--format={{json .Labels}}", TAG))
    assert labels["org.opencontainers.image.base.name"] == base_name
    # The same again; and what the next command says, of the context alone, is the same too.
    assert deploy(base=base_name).returncode == 0
    assert image_id(TAG) == first
    podman("rmi", TAG)
    subprocess.run(data["command"].split(), check=True, capture_output=True, cwd=farm.root)
    assert image_id(TAG) == first


def test_a_dry_run_names_no_image(deploy: Callable[..., Done]) -> None:
    done = deploy("--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("would have ")
    assert subprocess.run(["podman", "image", "exists", TAG], check=False).returncode == 1


def test_the_public_wheels_are_compared(
    deploy: Callable[..., Done], farm: Door, index: Index, tmp_path: Path
) -> None:
    own = index.copy(tmp_path / "index")
    for wheel in (*farm.root.glob("wheelhouse/*/wheels/*/*.whl"), seed_wheel("pip")):
        version = "26.0.1" if wheel.name.startswith("pip") else wheel.name.split("-")[1]
        copied = tmp_path / wheel.name.replace(wheel.name.split("-")[1], version, 1)
        shutil.copyfile(wheel, copied)
        own.add(copied)
    project = farm.root / "pyproject.toml"
    project.write_text(project.read_text().replace(index.url, own.url))
    before = images()
    done = deploy("--compare")
    assert done.returncode == 0, done.stderr
    assert "packages, as pip installs the public wheels" in done.stdout
    assert images() - before == {image_id(TAG)}


def test_a_package_that_does_not_work_in_the_image(deploy: Callable[..., Done], farm: Door) -> None:
    """The image of an earlier run, which is the very same here, keeps its name."""
    assert deploy().returncode == 0
    first, before = image_id(TAG), images()
    (farm / "recipes/tinytop/smoke.py").write_text("import nosuch\n")
    done = deploy("--output", "out")
    assert done.returncode == 85
    assert "tinytop does not work from the image" in done.stderr
    assert "No module named 'nosuch'" in done.stderr
    assert (image_id(TAG), images() - before) == (first, set())
    assert not (farm / "out").exists()


def test_a_base_without_a_python(deploy: Callable[..., Done], base: Callable[..., str]) -> None:
    done = deploy(base=base("RUN rm /usr/bin/python3"))
    assert done.returncode == 85
    assert "has no python3" in done.stderr
    assert "such as docker.io/library/python:3.11-slim" in done.stderr


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"python": "3.9"}, ["has Python 3.9, and the wheels are for 3.11", "--python 3.9"]),
        ({"machine": "aarch64"}, ["is for aarch64, and the wheels are for x86_64"]),
        ({"glibc": ""}, ["has no glibc, and the wheels are for manylinux"]),
        ({"glibc": "2.4"}, ["tinytop-1.0-", "does not run on the base image", "another system: --base"]),
        ({"oops": 1}, ["the Python of the base image", "does not run"]),
    ],
)
def test_a_base_that_does_not_fit(
    deploy: Callable[..., Done], base: Callable[..., str], changes: dict[str, str], messages: list[str]
) -> None:
    """Its Python answers what that of such a base would."""
    script = f"#!/bin/sh\necho '{json.dumps(ANSWER | changes)}'\n"
    write = f"echo {b64encode(script.encode()).decode()} | base64 -d >/new && chmod +x /new"
    done = deploy(base=base(f"RUN {write} && mv /new /usr/bin/python3"))
    assert done.returncode == 85, done.stderr
    assert [each for each in messages if each not in done.stderr] == [], done.stderr


def test_a_base_that_is_not_here(deploy: Callable[..., Done]) -> None:
    done = deploy(base="localhost/none:1")
    assert done.returncode == 85
    assert "the base image localhost/none:1 is not here" in done.stderr
    assert "next: podman pull localhost/none:1, or name another one with --base" in done.stderr


def test_a_limit_below_the_base(deploy: Callable[..., Done]) -> None:
    done = deploy("--limit", "1M")
    assert done.returncode == 85
    assert "why: the base alone has " in done.stderr
    assert "a smaller base: " in done.stderr


def test_a_limit_that_only_the_built_image_exceeds(deploy: Callable[..., Done]) -> None:
    """A layer has headers and padding besides its files."""
    planned, before = json.loads(deploy("--dry-run", "--json").stdout), images()
    done = deploy("--limit", f"{(planned['unpacked'] + planned['base-size']) / 1e6:.6f}M")
    assert done.returncode == 85
    assert "too large" in done.stderr
    assert images() <= before
