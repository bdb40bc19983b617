"""The script that strips the libraries of the BLAS provider before the repair."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.archives import digest
from support.binaries import calls, elf
from wheelfarm.build.inside import strip_libraries
from wheelfarm.wheels.binary_parsers import read_elf


def test_symbol_tables_go_and_the_old_digests_are_written_down(tmp_path: Path) -> None:
    libraries, output = tmp_path / "lib", tmp_path / "dist" / "found.json"
    libraries.mkdir()
    full = elf(calls(), soname="libblas.so", flags=("-g",))
    (libraries / "libblas.so").write_bytes(full)
    (libraries / "libblas.so.0").symlink_to("libblas.so")
    (libraries / "blas.pc").write_text("Libs: -lblas\n")
    script = Path(strip_libraries.__file__)
    subprocess.run([sys.executable, "-I", "-S", script, libraries, output], check=True)
    stripped = (libraries / "libblas.so").read_bytes()
    (before,), (after,) = read_elf(full, "a"), read_elf(stripped, "a")
    assert (before.stripped, after.stripped) == (False, True)
    assert (after.exported, after.content) == (before.exported, before.content)
    assert json.loads(output.read_text()) == {"stripped": {digest(stripped): digest(full)}}
    assert (libraries / "libblas.so.0").is_symlink()
