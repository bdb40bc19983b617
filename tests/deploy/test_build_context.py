"""The build context of an image: the Containerfile word by word, and the same archive each time."""

from __future__ import annotations

import os
import stat
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from support.farm import make_farm
from support.wheels import make_wheel
from wheelfarm.deploy.base_image import BaseImage, check_name, default_base
from wheelfarm.deploy.build_context import containerfile, write_context
from wheelfarm.deploy.deployment import Deployment
from wheelfarm.deploy.selection import Selection
from wheelfarm.deploy.tree import lay_out
from wheelfarm.errors import UsageError
from wheelfarm.gate.systems import find_system
from wheelfarm.model import Name, PinnedWheel, Python, Target
from wheelfarm.run.farm import Farm
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

BASE = "docker.io/library/python:3.11-slim"
FILES = {
    "a/__init__.py": "",
    "a.libs/libx-12345678.so.1": "x",
    "a/lib/libx.so": "x",
    "a/" + "deep/" * 30 + "long.txt": "x",
}
GOLDEN = """\
# Written by `inv deploy.image`. It adds no pip, no compiler and no cache to the base.
FROM docker.io/library/python:3.11-slim
LABEL org.opencontainers.image.title="a"
LABEL org.opencontainers.image.description="Python 3.11 with a 1.0"
LABEL org.opencontainers.image.base.name="docker.io/library/python:3.11-slim"
LABEL org.opencontainers.image.base.digest="sha256:1234"
ADD opt.tar /opt/
ENV PYTHONPATH="/opt/python"
ENV PYTHONDONTWRITEBYTECODE="1"
USER 65532:65532
ENTRYPOINT ["python3"]
CMD []
"""


def image_of(root: Path, more: dict[str, str] | None = None) -> Deployment:
    target, system = Target.parse("cp311-manylinux_x86_64"), find_system("debian12")
    root.mkdir()
    path = make_wheel(root, "a", "1.0", FILES | (more or {}), tag="cp311-cp311-manylinux_2_28_x86_64")
    wheel = PinnedWheel(name=Name("a"), version="1.0", path=path, sha256=sha256_of_file(path), farm=True)
    return Deployment(
        noun="image",
        farm=Farm(settings=make_farm(root / "farm")),
        system=system,
        selection=Selection(requested=(Name("a"),), wheels=(wheel,), target=target),
        tree=lay_out([open_wheel(path)], target),
        bytecode={},
    )


def test_the_containerfile(tmp_path: Path) -> None:
    image = image_of(tmp_path / "a")
    examined = BaseImage(name=BASE, digest="sha256:1234", size=1, system=find_system("debian12"))
    assert containerfile(image, BASE, examined) == GOLDEN
    without = [line for line in GOLDEN.splitlines() if "digest" not in line]
    assert containerfile(image, BASE, None).splitlines() == without


def test_libraries_beside_python_are_found(tmp_path: Path) -> None:
    image = image_of(tmp_path / "a", {"a-1.0.data/data/lib/libmkl.so.2": "mkl"})
    assert 'ENV LD_LIBRARY_PATH="/opt/lib"\n' in containerfile(image, BASE, None)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no umask")
def test_the_same_archive_whatever_the_umask(tmp_path: Path) -> None:
    found = []
    for name, umask in (("one", 0o022), ("two", 0o077)):
        before = os.umask(umask)
        try:
            image = image_of(tmp_path / name)
            write_context(image, BASE, None, tmp_path / name)
        finally:
            os.umask(before)
        found.append((tmp_path / name / "opt.tar").read_bytes())
    assert found[0] == found[1]
    with tarfile.open(tmp_path / "one/opt.tar") as archive:
        members = {each.name: each for each in archive.getmembers()}
    assert {(each.uid, each.gid, each.uname, each.mtime) for each in members.values()} == {
        (0, 0, "", 315_532_800)
    }
    assert members["python/a/lib/libx.so"].linkname == "../../a.libs/libx-12345678.so.1"
    modes = {stat.filemode(each.mode)[1:] for each in members.values() if not each.issym()}
    assert modes == {"rw-r--r--", "rwxr-xr-x"}
    # Each directory is there, before what is in it.
    names = list(members)
    for name in names:
        parent = name.rpartition("/")[0]
        assert not parent or names.index(parent) < names.index(name)


@pytest.mark.parametrize(
    "name",
    [
        BASE,
        "localhost:5000/a/b-c_d.e:1.0",
        "python",
        f"quay.io/a/b@sha256:{'0' * 64}",
        f"gcr.io/distroless/python3-debian12:nonroot@sha256:{'0' * 64}",
    ],
)
def test_names_of_images(name: str) -> None:
    check_name(name, "--base")


@pytest.mark.parametrize(
    "name", ["", "-v", "a b", "a\nRUN x", "A/b", "a:", "$HOME", "a@sha256:12", "a" * 9 + "é"]
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(UsageError, match="is no name of an image"):
        check_name(name, "--base")


def test_a_python_without_the_gil_has_the_same_base() -> None:
    assert default_base(Python.parse("3.13t")) == "docker.io/library/python:3.13-slim"
