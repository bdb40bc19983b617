"""Contents by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.wheels import make_wheel
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import Kind, contents, kind_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pkg/_core.cpython-312-x86_64-linux-gnu.so", Kind.EXTENSION),
        ("pkg/_core.abi3.so", Kind.EXTENSION),
        ("pkg/_core.cp312-win_amd64.pyd", Kind.EXTENSION),
        ("pkg/library.cpython-312-darwin.so", Kind.EXTENSION),
        ("pkg.libs/libfoo-1a2b.so", Kind.LIBRARY),
        ("pkg.libs/odd.so", Kind.LIBRARY),
        ("pkg/lib/libopenblas.so", Kind.LIBRARY),
        ("pkg.libs/libgfortran.so.5.0.0", Kind.LIBRARY),
        ("pkg/.dylibs/libgcc_s.1.1.dylib", Kind.LIBRARY),
        ("pkg.libs/msvcp140.dll", Kind.LIBRARY),
        ("pkg/lib/libnpymath.a", Kind.LIBRARY),
        ("pkg/tests/test_a.py", Kind.TESTS),
        ("pkg/test/data.csv", Kind.TESTS),
        ("pkg/tests/_ext.cpython-312-darwin.so", Kind.TESTS),
        ("pkg/_umath_tests.cpython-312-darwin.so", Kind.TESTS),
        ("pkg/_test_ccallback.cpython-312-darwin.so", Kind.TESTS),
        ("pkg/conftest.py", Kind.TESTS),
        ("pkg/test_a.py", Kind.TESTS),
        ("pkg/stats/_page_trend_test.py", Kind.PYTHON),
        ("pkg/testing/__init__.py", Kind.PYTHON),
        ("tests", Kind.DATA),
        ("pkg/a.h", Kind.HEADER),
        ("pkg/a.pxd", Kind.HEADER),
        ("pkg/a.pxi.tp", Kind.HEADER),
        ("pkg/a.pyx", Kind.SOURCE),
        ("pkg/a.pyx.tp", Kind.SOURCE),
        ("pkg/a.cpp", Kind.SOURCE),
        ("pkg/a.csv.in", Kind.DATA),
        ("pkg/a.pyi", Kind.TYPING),
        ("pkg/py.typed", Kind.TYPING),
        ("pkg/a.npz", Kind.DATA),
        ("pkg-1.0.data/purelib/pkg/a.py", Kind.PYTHON),
        ("pkg-1.0.data/purelib/tests/a.py", Kind.TESTS),
        ("pkg-1.0.dist-info/licenses/tests/LICENSE", Kind.METADATA),
    ],
)
def test_kind(name: str, kind: Kind) -> None:
    assert kind_of(name) is kind


def test_contents(tmp_path: Path) -> None:
    wheel = open_wheel(
        make_wheel(
            tmp_path,
            files={
                "demo/__init__.py": "".join(map(str, range(500))),
                "demo/a.py": "y" * 10,
                "demo/table.csv": "1,2",
                "single.py": "",
                "native.cpython-312-darwin.so": "",
                "demo.libs/liba.so": "",
                "not-importable/a.py": "",
                "demo-1.0.data/purelib/more/__init__.py": "",
                "demo-1.0.data/platlib/flat.py": "",
                "demo-1.0.data/scripts/run.py": "",
            },
        )
    )
    found = contents(wheel, largest=2)
    kind, share = found.kinds[0]
    assert (kind, share.count, share.size) == (Kind.PYTHON, 7, 1400)
    assert share.compressed < 1400
    assert sum(share.count for _, share in found.kinds) == len(wheel.members)
    assert found.packages == ("demo", "flat", "more", "native", "single")
    assert [member.size for member in found.largest] == sorted((m.size for m in wheel.members), reverse=True)[
        :2
    ]
