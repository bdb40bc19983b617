"""The script that edits the RPATH of a wheel's binaries."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from support.binaries import calls, elf
from support.wheels import make_wheel
from wheelfarm.build.inside import edit_rpaths
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.examination import rpath_problem
from wheelfarm.wheels.linkage import linkage

SCRIPT = Path(edit_rpaths.__file__)
EXT = "pkg/_ext.cpython-311-x86_64-linux-gnu.so"
TAG = "cp311-cp311-manylinux_2_28_x86_64"


def rpaths_after(root: Path, *allowed: str, **entries: str) -> tuple[dict[str, tuple[str, ...]], str]:
    files = {
        f"pkg/{name}.so": elf(calls(), flags=("-s", f"-Wl,-rpath,{entry}")) for name, entry in entries.items()
    }
    wheel = make_wheel(root, "pkg", "1.0", {"pkg/a,b.txt": "a name with a comma", **files}, tag=TAG)
    before = wheel.read_bytes()
    words = [
        sys.executable,
        "-I",
        "-S",
        str(SCRIPT),
        str(root),
        "-",
        *(f"--allow={glob}" for glob in allowed),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = open_wheel(wheel)
    verify(found)
    if not done.stdout:
        assert wheel.read_bytes() == before
    return {each.member: each.rpaths for each in linkage(found)}, done.stdout


@pytest.mark.parametrize("entry", ["/home/ci/build/lib", "build/lib", "$ORIGIN/../../lib", "RIGIN/lib"])
def test_a_useless_entry_goes(tmp_path: Path, entry: str) -> None:
    found, said = rpaths_after(tmp_path, ext=entry)
    assert found == {"pkg/ext.so": ()}
    assert said == f"removed from the rpath of pkg/ext.so: {entry!r}\n"


def test_a_useful_entry_stays(tmp_path: Path) -> None:
    assert rpaths_after(tmp_path, ext="$ORIGIN/../pkg.libs") == ({"pkg/ext.so": ("$ORIGIN/../pkg.libs",)}, "")


def test_of_several_entries_the_useful_ones_stay(tmp_path: Path) -> None:
    found, said = rpaths_after(tmp_path, one="/opt/lib::$ORIGIN/lib:lib", two="$ORIGIN")
    assert found == {"pkg/one.so": ("$ORIGIN/lib",), "pkg/two.so": ("$ORIGIN",)}
    assert said == "removed from the rpath of pkg/one.so: '/opt/lib', '', 'lib'\n"


def test_an_entry_that_the_recipe_allows_stays(tmp_path: Path) -> None:
    found, said = rpaths_after(tmp_path, "pkg/driver*", driver="/opt/driver/lib", ext="/opt/driver/lib")
    assert found == {"pkg/driver.so": ("/opt/driver/lib",), "pkg/ext.so": ()}
    assert "pkg/driver.so" not in said


@pytest.mark.parametrize(
    ("place", "way"),
    [("lib/libz9.so.1", "$ORIGIN/../../.."), ("SITE/other/lib/libz9.so.1", "$ORIGIN/../other/lib")],
)
@pytest.mark.parametrize("own", [False, True])
def test_the_way_to_an_excluded_library_is_added(tmp_path: Path, place: str, way: str, *, own: bool) -> None:
    """The library may be in site-packages or below the prefix, as those of MKL are."""
    environment, directory = tmp_path / "env", tmp_path / "dist"
    venv.create(environment)
    site = sysconfig.get_path("platlib", "posix_prefix", {"base": "", "platbase": ""}).lstrip("/")
    library = environment / place.replace("SITE", site)
    library.parent.mkdir(parents=True, exist_ok=True)
    library.write_bytes(elf("int z9(void) { return 1; }", soname="libz9.so.1"))
    files = {"pkg/ext.so": elf(calls(), needs=("libz9.so.1",)), "pkg/other.so": elf(calls())}
    directory.mkdir()
    wheel = make_wheel(directory, "pkg", "1.0", files, tag=TAG)
    # The host engine names the environment; cibuildwheel runs its interpreter.
    python, named = (str(environment / "bin/python"), "-") if own else (sys.executable, str(environment))
    words = [python, "-I", "-S", str(SCRIPT), str(directory), named, "--exclude=libz9.so.*"]
    for _ in range(2):  # the second time there is nothing to do
        # Containers build in a directory below the root.
        subprocess.run(words, capture_output=True, text=True, check=True, cwd="/")
        assert {each.member: each.rpaths for each in linkage(open_wheel(wheel))} == {
            "pkg/ext.so": (way,),
            "pkg/other.so": (),
        }


@pytest.mark.parametrize("member", [EXT, "_ext.so", "pkg-1.0.data/platlib/_ext.so", "pkg/a/b/_ext.so"])
@pytest.mark.parametrize(
    "entry", ["", "/opt", "lib", "$ORIGIN", "${ORIGIN}/lib", "$ORIGINAL", "$ORIGIN/..", "$ORIGIN/../../lib"]
)
def test_what_the_script_leaves_is_what_the_gate_accepts(member: str, entry: str) -> None:
    """The script runs without the farm, so the two have the rule each for itself."""
    binary = Binary(member=member, format=BinaryFormat.ELF, machine="x86_64")
    assert edit_rpaths.useful(member, entry) == (not rpath_problem(binary, entry))
