"""The ZIP file of a layer: the same bytes each time, links, and RECORDs of what is there."""

from __future__ import annotations

import csv
import io
import stat
import sys
import zipfile
from pathlib import Path

from support.wheels import make_wheel
from wheelfarm.deploy.bytecode import bytecode_path, compile_tree
from wheelfarm.deploy.tree import Tree, lay_out
from wheelfarm.deploy.zip_file import write_zip
from wheelfarm.gate.inside.enter import unpack_layer
from wheelfarm.model import Python, Target
from wheelfarm.wheels.archive import open_wheel

HERE = Python(major=sys.version_info.major, minor=sys.version_info.minor)
FILES = {
    "a/__init__.py": "value = {'x', 'y', 'z'}\n",
    "a/template.py": "{{ name }} is no Python\n",
    "a/tests/test_a.py": "",
    "a.libs/libx-12345678.so.1": "x",
    "a/lib/libx.so": "x",
}


def tree_in(root: Path) -> Tree:
    wheel = open_wheel(
        make_wheel(root, "a", "1.0", FILES, tag=f"{HERE.tag}-{HERE.tag}-manylinux_2_28_x86_64")
    )
    return lay_out([wheel], Target(python=HERE, system="manylinux", arch="x86_64"))


def test_the_same_bytes_from_another_directory_and_run(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        tree = tree_in(tmp_path / name)
        write_zip(tree, tmp_path / f"{name}.zip", compile_tree(tree, Path(sys.executable), {}))
        found.append((tmp_path / f"{name}.zip").read_bytes())
    assert found[0] == found[1]


def test_a_record_lists_what_is_there(tmp_path: Path) -> None:
    tree = tree_in(tmp_path)
    bytecode = compile_tree(tree, Path(sys.executable), {})
    write_zip(tree, tmp_path / "layer.zip", bytecode)
    unpack_layer(tmp_path / "layer.zip", tmp_path / "opt")
    site = tmp_path / "opt" / "python"
    rows = list(csv.reader(io.StringIO((site / "a-1.0.dist-info/RECORD").read_text())))
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if not path.is_dir()}
    assert {row[0] for row in rows} == there
    for name, digest, size in rows[:-1]:
        data = (site / name).read_bytes()
        assert (len(data), digest[:7]) == (int(size), "sha256=")
    assert (site / "a/lib/libx.so").is_symlink()
    assert (site / "a/lib/libx.so").read_text() == "x"


def test_bytecode_does_not_depend_on_the_time_of_its_source(tmp_path: Path) -> None:
    """What does not compile has none, as a template."""
    bytecode = compile_tree(tree_in(tmp_path), Path(sys.executable), {})
    name = bytecode_path("python/a/__init__.py", HERE)
    assert list(bytecode) == [name]
    # PEP 552: flags 1 is a hash that is not checked.
    assert int.from_bytes(bytecode[name][4:8], "little") == 1
    assert b"/opt/python/a/__init__.py" in bytecode[name]
    assert str(tmp_path).encode() not in bytecode[name]


def test_no_time_and_no_owner_of_this_machine(tmp_path: Path) -> None:
    write_zip(tree_in(tmp_path), tmp_path / "layer.zip", {})
    with zipfile.ZipFile(tmp_path / "layer.zip") as archive:
        infos = archive.infolist()
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert [info.filename for info in infos] == sorted(info.filename for info in infos)
    modes = {stat.filemode(info.external_attr >> 16) for info in infos}
    assert modes <= {"-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}
