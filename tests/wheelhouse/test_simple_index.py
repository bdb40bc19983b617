"""The wheelhouse as an index: real installers read it from the disk."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.store import VARIANT, put, tiny_wheel
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def index(tmp_path: Path) -> str:
    wheelhouse = Wheelhouse(tmp_path / "the farm's wheelhouse")
    put(wheelhouse, tiny_wheel(tmp_path / "old", version="1.0+cpu", content="old"), "old")
    put(wheelhouse, tiny_wheel(tmp_path / "new", version="1.0+cpu", content="new"), "new")
    put(wheelhouse, tiny_wheel(tmp_path, version="2.0", requires_python=">=4"), "two")
    put(wheelhouse, tiny_wheel(tmp_path, "other"), "other")
    return (wheelhouse.root / VARIANT / "simple").as_uri()


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *program.split(), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_pip_reads_the_index(index: str, tmp_path: Path) -> None:
    pip = "pip download --isolated --no-cache-dir --disable-pip-version-check --no-deps -v"
    done = run(pip, "--index-url", index, "--dest", tmp_path / "got", "demo")
    assert done.returncode == 0, done.stdout
    (got,) = (tmp_path / "got").iterdir()
    # 2.0 is for a later Python, and of the two files of this name the last one is current.
    assert got.name == "demo-1.0+cpu-py3-none-any.whl"
    assert sha256_of_file(got) == sha256_of_file(tmp_path / "new" / got.name)
    assert ".whl.metadata" in done.stdout


def test_pip_refuses_other_bytes(index: str, tmp_path: Path) -> None:
    (wheel,) = (tmp_path / "the farm's wheelhouse" / VARIANT / "wheels").glob("*/other*.whl")
    tiny_wheel(wheel.parent, "other", content="changed behind the farm's back")
    pip = "pip download --isolated --no-cache-dir --disable-pip-version-check --no-deps"
    done = run(pip, "--index-url", index, "--dest", tmp_path / "got", "other")
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stdout


def test_uv_reads_the_index(index: str, tmp_path: Path) -> None:
    uv = "uv pip install --no-config --no-cache --no-deps"
    done = run(
        uv,
        *("--python", sys.executable, "--index-url", index, "--target", tmp_path / "site"),
        *("demo", "other"),
    )
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "site/demo.py").read_text() == "'new'\n"
    assert (tmp_path / "site/other.py").exists()
