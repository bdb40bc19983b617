"""Readers of wheels: the archive, its dist-info, SBOM and record, and its binaries."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.scratch import scratch, written
from support.binaries import elf, functions, macho, pe
from support.farm import LINUX
from support.records import sample_embedded, sample_inputs
from support.wheels import change_member, make_wheel
from wheelfarm.index.build_tags import BuildSlot
from wheelfarm.model import Target
from wheelfarm.provenance.record import EMBEDDED, read_embedded_record
from wheelfarm.provenance.sbom_reader import read_components
from wheelfarm.wheelhouse.layout import name_and_version, read_metadata
from wheelfarm.wheelhouse.tags import serves
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.blas import blas_all
from wheelfarm.wheels.contents import contents
from wheelfarm.wheels.description import describe
from wheelfarm.wheels.linkage import binary_format_of, linkage
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel, write_tagged
from wheelfarm.wheels.sections import parts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_TARGET: Final = Target.parse(LINUX)
_INFO: Final = "demo-1.0.dist-info"
_METADATA: Final = b"""\
Metadata-Version: 2.4
Name: demo
Version: 1.0
Requires-Python: >=3.11
License-Expression: BSD-3-Clause AND MIT
License-File: LICENSE
Requires-Dist: numpy<3,>=2.0 ; python_version >= "3.12" and (os_name == "nt" or extra == "test")
Provides-Extra: test
"""
_WHEEL: Final = b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_RECORD: Final = f"""\
demo.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
"a,b.txt",sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
{_INFO}/METADATA,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
{_INFO}/RECORD,,
""".encode()
_BILL: Final = b"""{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "library",
"name": "a", "version": "1", "purl": "pkg:deb/debian/a@1", "licenses": [{"license": {"id": "MIT"}}], "hashes":
[{"alg": "SHA-256", "content": "00"}]}]}"""


def _archive(data: bytes) -> None:
    wheel = open_wheel(written("demo-1.0-py3-none-any.whl", data))
    verify(wheel)
    contents(wheel)
    describe(wheel)
    read_metadata(wheel.path)
    (scratch() / "out").mkdir(exist_ok=True)
    rewrite_wheel(wheel, scratch() / "out" / wheel.path.name, Changes(written={"new.txt": b"x"}))
    write_tagged(wheel, scratch() / "out", "1_0123456789ab")


def _member(name: str, read: Callable[[Path], object], data: bytes) -> None:
    """A wheel whose RECORD fits, with this member."""
    path = make_wheel(scratch(), files={"demo.py": "", "data.bin": b"x", name: data})
    if name.startswith(_INFO) and name.rpartition("/")[2] in {"METADATA", "WHEEL", "RECORD"}:
        change_member(path, name, data)
    read(path)


def _file_name(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    BuildSlot.of(text)
    if name_and_version(text):
        serves(text, _TARGET)


def _open(path: Path) -> None:
    wheel = open_wheel(path)
    verify(wheel)
    contents(wheel)
    read_metadata(path)


def _sbom(path: Path) -> None:
    read_components(open_wheel(path))


def _binary(path: Path) -> None:
    wheel = open_wheel(path)
    found = linkage(wheel)
    blas_all(found)
    data = wheel.read("demo.so")
    kind = binary_format_of(data)
    if kind is not None:
        parts(data, kind)


_ELF: Final = elf(functions("dgemm_", "PyInit_ext"), soname="libx.so.1", needs=("liby.so.2",))
_EMBEDDED: Final = sample_embedded("demo", sample_inputs()).to_json().encode()

TARGETS: Final = {
    "wheel-archive": _archive,
    "wheel-file-name": _file_name,
    "wheel-metadata": partial(_member, f"{_INFO}/METADATA", _open),
    "wheel-wheel": partial(_member, f"{_INFO}/WHEEL", _open),
    "wheel-record": partial(_member, f"{_INFO}/RECORD", _open),
    "wheel-sbom": partial(_member, f"{_INFO}/sboms/a.cdx.json", _sbom),
    "wheel-embedded-record": partial(
        _member, f"{_INFO}/{EMBEDDED}", lambda path: read_embedded_record(open_wheel(path))
    ),
    "binary-elf": partial(_member, "demo.so", _binary),
    "binary-macho": partial(_member, "demo.so", _binary),
    "binary-pe": partial(_member, "demo.so", _binary),
}
SEEDS: Final = {
    "wheel-archive": [
        make_wheel(scratch(), files={"demo.py": "x = 1\n" * 50, "demo.libs/x.so": _ELF}).read_bytes(),
        make_wheel(scratch(), requires=["numpy>=2"], build="1").read_bytes(),
    ],
    "wheel-file-name": [
        b"demo-1.0-py3-none-any.whl",
        b"demo-1.0-1_0123456789ab-cp311-cp311-manylinux_2_28_x86_64.whl",
    ],
    "wheel-metadata": [_METADATA],
    "wheel-wheel": [_WHEEL],
    "wheel-record": [_RECORD],
    "wheel-sbom": [_BILL],
    "wheel-embedded-record": [_EMBEDDED],
    "binary-elf": [_ELF, elf(functions("a"), flags=("-g",))],
    "binary-macho": [
        macho(install_name="@rpath/a.dylib", needed=["/usr/lib/b.dylib"], exported=["_a"], debug=True)
    ],
    "binary-pe": [pe("x.dll", exported=["a"], imports={"b.dll": ["c"]}, symbols=1)],
}
