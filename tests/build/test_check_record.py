"""RECORD of the built wheel is read before the repair tool runs, on the host and in a container."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from support.wheels import change_member, make_wheel
from support.wrong_record import check_the_error_of_a_build
from wheelfarm.build.diagnosis import classify
from wheelfarm.build.inside.check_record import main
from wheelfarm.errors import RepairError

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index

RECORD = "demo-1.0.dist-info/RECORD"
FILES = {"demo.py": "", "demo/a,b.txt": "", "demo/a": "", "demo/c d.txt": "", "démo.txt": ""}
WRONG = "error: RECORD of demo-1.0-py3-none-any.whl, which wheelfarm-tests wrote, is wrong\n  "


def wheel_with(root: Path, old: bytes = b"", new: bytes = b"") -> Path:
    """A wheel, with a part of its RECORD changed."""
    wheel = make_wheel(root, files=FILES)
    with zipfile.ZipFile(wheel) as archive:
        record = archive.read(RECORD)
    assert old in record
    change_member(wheel, RECORD, record.replace(old, new, 1))
    return wheel


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"", b""),
        (b"\n", b"\r\n"),
        (b"\n", b"\n\n"),
        (b"demo.py,", b'"demo.py",'),
        (RECORD.encode() + b",,\n", b""),
        (RECORD.encode(), f"{RECORD}.jws,,\n{RECORD}".encode()),
    ],
)
def test_a_right_record_passes(tmp_path: Path, old: bytes, new: bytes) -> None:
    assert main(wheel_with(tmp_path, old, new)) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            b'"demo/a,b.txt",',
            b"demo/a,b.txt,",
            "line 2, 'demo/a,b.txt,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0', has 4 columns, not",
        ),
        (b"demo/c d.txt,", b"demo/c d.txt ", "has 2 columns"),
        (b"demo/c d.txt,", b'"demo/c d.txt,', "is no row of a table: "),
        (b"demo/c d.txt,", b'"demo/c" d.txt,', "is no row of a table: "),
        ("d\xe9mo.txt".encode(), b"d\xe9mo.txt", "line 5 is not UTF-8: b'd\\xe9mo.txt,"),
        (b"demo/c d.txt,", b"demo/C d.txt,", "it lists 'demo/C d.txt', which the wheel does not hold"),
        (b"demo/c d.txt,", b"demo/C d.txt,", "it does not list 'demo/c d.txt'"),
        (b"demo/c d.txt,", b"demo/a,,\ndemo/c d.txt,", "it lists 'demo/a' 2 times"),
    ],
)
def test_a_wrong_record_is_named_with_the_row_the_file_and_the_generator(
    tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    found = str(main(wheel_with(tmp_path, old, new)))
    assert found.startswith(WRONG)
    assert message in found


def test_a_wheel_without_a_record(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "demo-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("demo.py", "")
    assert main(tmp_path / "demo-1.0-py3-none-any.whl") == (
        "error: RECORD of demo-1.0-py3-none-any.whl, which an unknown backend wrote, is wrong\n"
        "  the wheel has no RECORD"
    )


def test_the_diagnosis_has_the_rows_and_the_remedy(tmp_path: Path) -> None:
    message = str(main(wheel_with(tmp_path, b'"demo/a,b.txt",', b"demo/a,b.txt,")))
    found = classify(RepairError("repair failed"), f"an error: of before\n{message}\n", "repair")
    assert (found.failure, found.cause) == ("repair", "wheelfarm-tests writes a wrong RECORD")
    assert "\n".join(found.lines) == message
    assert "[build-requires] replace" in str(found.hint)


@pytest.mark.slow
def test_on_the_host(index: Index, tmp_path: Path) -> None:
    check_the_error_of_a_build(tmp_path, index)
