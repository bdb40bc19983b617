"""Builder images that are not for the target: an error before anything is built."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.raised import only
from support.tiny import LEAF, run_farm, tiny_farm
from wheelfarm.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.index import Index
    from wheelfarm.errors import FarmError

FOREIGN = "localhost/wheelfarm-test-foreign:1"


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[str]:
    """An image for a processor whose programs no kernel here starts."""
    (tmp_path / "true").write_bytes(b"\x7fELF\x02\x02\x01" + bytes(57))
    (tmp_path / "true").chmod(0o755)
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        for path in ("bin/true", "usr/bin/true"):
            archive.add(tmp_path / "true", path)
    archive_path = str(tmp_path / "image.tar")
    subprocess.run(
        ["podman", "import", "--quiet", "--arch=s390x", archive_path, FOREIGN],
        check=True,
        capture_output=True,
    )
    yield FOREIGN
    subprocess.run(["podman", "rmi", "--force", FOREIGN], check=False, capture_output=True)


def refusal(root: Path, index: Index, container: dict[str, str], platform: str, image: str) -> FarmError:
    environ = container | {f"WHEELFARM_IMAGE_{platform.upper()}": image}
    settings = {"engine": "cibuildwheel", "platform": platform}
    farm = tiny_farm(root / "farm", index, LEAF, settings=settings, environ=environ)
    return only(lambda: run_farm(farm), EngineError)


def test_an_image_that_is_not_here(index: Index, container: dict[str, str], tmp_path: Path) -> None:
    error = refusal(tmp_path, index, container, "manylinux_aarch64", "localhost/none:1")
    assert error.what == "the builder image localhost/none:1 is not here"
    assert error.where == "images.manylinux_aarch64"
    assert str(error.hint).startswith("podman pull --platform=linux/arm64 localhost/none:1")


def test_an_image_for_another_processor(index: Index, container: dict[str, str], tmp_path: Path) -> None:
    image = container["WHEELFARM_IMAGE_MANYLINUX_X86_64"]
    error = refusal(tmp_path, index, container, "manylinux_aarch64", image)
    assert error.what == f"the builder image {image} is for amd64, and manylinux_aarch64 is for arm64"
    assert error.where == "images.manylinux_aarch64"
    assert f"podman pull --platform=linux/arm64 {image}" in str(error.hint)


def test_programs_that_do_not_run_here(
    index: Index, container: dict[str, str], tmp_path: Path, foreign: str
) -> None:
    error = refusal(tmp_path, index, container, "manylinux_s390x", foreign)
    assert error.what == f"this machine does not run the programs of {foreign}, which are for s390x"
    assert "exec format error" in str(error.why).lower()
    assert "qemu-user-static" in str(error.hint)


def test_an_image_for_another_c_library(index: Index, container: dict[str, str], tmp_path: Path) -> None:
    """Podman cannot tell: the wheel does."""
    environ = container | {"WHEELFARM_IMAGE_MUSLLINUX_X86_64": container["WHEELFARM_IMAGE_MANYLINUX_X86_64"]}
    settings = {"engine": "cibuildwheel", "platform": "musllinux_x86_64", "time-limit": 600.0}
    run = run_farm(tiny_farm(tmp_path / "farm", index, LEAF, settings=settings, environ=environ))
    error = run.error("tinyleaf")
    assert error.slug == "yield"
    assert error.where == "images.musllinux_x86_64"
    assert "manylinux_2_5_x86_64.whl, which is not for cp311-musllinux_x86_64" in error.what


def test_a_layer_that_cannot_be_tested_is_one_error(
    built: Path,
    container: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    farm = Door(shutil.copytree(built, tmp_path / "farm", symlinks=True), capsys, monkeypatch)
    variables = container | {"WHEELFARM_IMAGE_MANYLINUX_X86_64": "localhost/none:1"}
    layer = tmp_path / "layer.zip"
    words = ("tinytop", "--engine", "cibuildwheel", "--like", "debian12", "--output", str(layer))
    done = farm.inv("deploy.layer", *words, **variables)
    assert done.returncode == EngineError.exit_code, done.stderr
    assert done.stderr.count("error[") == 1
    assert "the builder image does not run" in done.stderr
    assert not layer.exists()
