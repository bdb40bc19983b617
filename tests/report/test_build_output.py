"""What a line of output says of the progress, and how little of it is shown."""

from __future__ import annotations

import pytest

from wheelfarm.report.progress import Step, plain, read_step, shorten

SO = "numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so"


@pytest.mark.parametrize(
    ("line", "verb", "what"),
    [
        (f"Compiling C object {SO}.p/src_umath_loops.c.o", "Compiling", "umath_loops.c"),
        (f"Compiling C object {SO}.p/meson-generated_loops.dispatch.c.o", "Compiling", "loops.dispatch.c"),
        ("Building CXX object CMakeFiles/a.dir/src/b.cpp.obj", "Building", "b.cpp"),
        (f"Linking target {SO}", "Linking", "_multiarray_umath.so"),
        (f"Generating symbol file {SO}.p/x.so.symbols", "Generating", "x.so.symbols"),
        ("Generating 'numpy/_core/libx.a.p/npy_sort.h'", "Generating", "npy_sort.h"),
        ("Copying file numpy/__init__.py", "Copying", "__init__.py"),
        (r"Linking target scipy\_lib\x.cp312-win_amd64.pyd", "Linking", "x.pyd"),
        ("gcc -O2 -I/usr/include -c a/b.c -o build/a/b.o", "Compiling", "b.c"),
        ("running build_ext", "", "running build_ext"),
        ("copying a/b.py -> build/b.py", "", "copying a/b.py -> build/b.py"),
        ("Compiling C object x.p/src_.o", "Compiling", "src_"),
        ("Linking everything", "", "Linking everything"),
    ],
)
def test_a_line_in_short(line: str, verb: str, what: str) -> None:
    assert shorten(line) == (verb, what)


def test_ninja_s_steps() -> None:
    assert read_step(" [ 12/345] Compiling C object a.p/src_b.c.o") == Step(
        number=12, of=345, verb="Compiling", what="b.c"
    )
    assert read_step("[9/5] x") == Step(number=5, of=5, verb="", what="x")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[12/x] y",
        "[0/0] nothing",
        "12/345",
        "note: [1/2] x",
        "[3/505] /stage/source/numpy/core.py",
        r"[3/505] C:\stage\core.py",
    ],
)
def test_no_steps(line: str) -> None:
    assert read_step(line) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\x1b[1m\x1b[31merror\x1b[0m: x", "error: x"),
        ("\x1b]0;title\x07a\tb", "a       b"),
        ("a\x00b\x1bc", "a?b"),
        ("漢a e\u0301", "?a e?"),
        ("«foo» é", "«foo» é"),
        ("x" * 500, "x" * 400),
    ],
)
def test_each_character_takes_one_column(line: str, said: str) -> None:
    assert plain(line) == said
