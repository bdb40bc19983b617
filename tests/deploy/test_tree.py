"""Wheels side by side: what is left out, what becomes a link, and what meets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.raised import raised
from support.wheels import make_wheel
from wheelfarm.deploy.tree import Tree, lay_out
from wheelfarm.errors import DeployError
from wheelfarm.model import Target
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

TARGET = Target.parse("cp311-manylinux_x86_64")
TAG = "cp311-cp311-manylinux_2_28_x86_64"


def laid_out(root: Path, drop: Any = None, **wheels: dict[str, str]) -> Tree:
    opened = [open_wheel(make_wheel(root, name, "1.0", files, tag=TAG)) for name, files in wheels.items()]
    return lay_out(opened, TARGET) if drop is None else lay_out(opened, TARGET, drop)


def paths(tree: Tree) -> dict[str, str]:
    """The target of a link, or nothing, by path; without metadata."""
    return {each.path: each.link for each in tree.entries if ".dist-info/" not in each.path}


def test_files_are_where_an_installer_puts_them(tmp_path: Path) -> None:
    files = {
        "a/__init__.py": "",
        "a-1.0.data/purelib/b.py": "",
        "a-1.0.data/data/lib/libx.so.1": "x",
        "a-1.0.data/scripts/run": "",
        "a-1.0.data/headers/a.h": "",
    }
    assert list(paths(laid_out(tmp_path, a=files))) == [
        "lib/libx.so.1",
        "python/a/__init__.py",
        "python/b.py",
    ]


def test_tests_headers_sources_stubs_and_static_libraries_are_left_out(tmp_path: Path) -> None:
    files = {
        "a/__init__.py": "",
        "a/tests/test_a.py": "12",
        "a/a.h": "1",
        "a/a.pyi": "123",
        "a/a.pyx": "12345",
        "a/lib/liba.a": "1234",
    }
    tree = laid_out(tmp_path, a=files)
    assert list(paths(tree)) == ["python/a/__init__.py"]
    assert {kind: size for (_, kind), size in tree.dropped.items()} == {
        "tests": 2,
        "header": 1,
        "source": 5,
        "typing": 3,
        "library": 4,
    }
    assert "python/a/tests/test_a.py" in paths(laid_out(tmp_path, drop=(), a=files))


def test_equal_libraries_are_there_once(tmp_path: Path) -> None:
    tree = laid_out(
        tmp_path,
        a={"a.libs/libgomp-1234abcd.so.1": "gomp", "a/__init__.py": ""},
        b={"b/lib/libgomp.so.1": "gomp", "b/lib/libother.so.1": "other", "b/__init__.py": ""},
    )
    links = {path: link for path, link in paths(tree).items() if link}
    assert links == {"python/b/lib/libgomp.so.1": "../../a.libs/libgomp-1234abcd.so.1"}
    assert tree.saved_by_links == 4


def test_one_path_in_two_wheels_is_an_error(tmp_path: Path) -> None:
    one, two = (
        {"lib/foo.txt": "1", "n/__init__.py": "", "m/__init__.py": "1"},
        {"lib/foo.txt": "1", "n/__init__.py": "", "m/__init__.py": "2"},
    )
    errors = raised(lambda: laid_out(tmp_path, a=one, b=two), DeployError)
    assert [each.what for each in errors] == ["two wheels have lib/foo.txt", "two wheels have m/__init__.py"]
