"""Runs where the build runs, before it: puts a script under the name of each compiler, and of ar.

It writes the arguments into a file, of which compiled_objects.py makes its report, and runs the program: a
compiler of C or C++ behind ccache, where that is used. Only installed programs get one: a build system would
take any other script for a compiler. For ccache it also lists what that does not check: the names of all
files that an #include may find, since a new header that shadows another changes no file that ccache reads;
and the version of the assembler. Uses the standard library only.

The same script adds the recipe's flags for some sources, as the last ones, and for all others those of a
profile.

Usage: compilers.py ENVIRONMENT CCACHE NAME… [--flags GLOB=FLAGS]… [--profile], where - is this interpreter's
environment, and no ccache
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = (4, 4)  # the first version of ccache that writes a log of what each compile came to
# Suffixes of what an #include names; the standard library's headers have none.
INCLUDED = frozenset(
    {
        *("", ".h", ".hh", ".hpp", ".hxx", ".h++", ".inc", ".inl", ".ipp", ".tpp", ".tcc", ".def"),
        *(".c", ".cc", ".cpp", ".cxx", ".c++", ".i", ".ii", ".m", ".mm", ".gch", ".pch"),
    }
)
# A program that is called by its path cannot be replaced.
CACHED = re.compile(r"([a-z0-9_]+-)*(cc|gcc|c\+\+|g\+\+|clang|clang\+\+)(-[0-9.]+)?")
COMPILER = re.compile(rf"{CACHED.pattern}|([a-z0-9_]+-)*(gfortran|flang|flang-new|f77|f95|ar)(-[0-9.]+)?")
ARCHIVER = re.compile(r"([a-z0-9_]+-)*ar(-[0-9.]+)?")
CALLS = "tmp/compiler-calls"  # in the build directory, where the build may write
# A file for each process, so that calls at the same time do not mix; a dash takes less than 1 ms for it. An
# argument with @ may name a file of arguments, which is gone when the build ends.
SCRIPT = """\
#!/bin/sh
{flags}{{
    printf '%s\\0' "$#" "$PWD" {program} "$@"
    for word; do
        case $word in @*) printf '%s\\0' "$(cat -- "${{word#@}}")" ;; esac
    done
}} 2>/dev/null >>{calls}/$$
exec {command} "$@"
"""
# The arguments of a link may be objects too.
FLAGS = """\
case " $* " in *" -c "*)
{cases}
    set -- "$@"{added}
esac
"""
# The counts of an object are below `profile`, under its path. An object without any was never loaded. What
# the recipe gives flags is compiled with them alone.
PROFILE = """\
if [ -n "{flags}" ]; then
    :
elif [ "$WHEELFARM_PROFILE" = generate ]; then
    set -- "$@" -fprofile-generate
elif [ -d {profile} ]; then
    case " $* " in *" -c "*)
        object= before=
        for word; do [ "$before" = -o ] && object=$word; before=$word; done
        case $object in /*) ;; *) object=$PWD/$object ;; esac
        if [ -f {profile}"${{object%.*}}.gcda" ]; then
            set -- "$@" -fprofile-use={profile} -Wno-coverage-mismatch
        else
            set -- "$@" -Os
        fi
    esac
fi
"""
CASE = "    for word; do case $PWD/$word in */-*) ;; */{glob}) flags{number}='{flags}' ;; esac; done"


def flags_script(flags: dict[str, str]) -> str:
    """The lines that add flags to the compiles of what a glob matches."""
    cases = [
        CASE.format(glob=glob, number=number, flags=each) for number, (glob, each) in enumerate(flags.items())
    ]
    added = "".join(f" $flags{number}" for number in range(len(flags)))
    return FLAGS.format(cases="\n".join(cases), added=added) if flags else ""


def output(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def usable(ccache: str) -> bool:
    found = re.match(r"ccache version (\d+)\.(\d+)", output(ccache, "--version"))
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST


def includable(directory: Path) -> Iterator[str]:
    """The files below a directory that an #include may find, without installers' metadata."""
    for parent, directories, names in os.walk(directory):
        directories[:] = sorted(
            each for each in directories if not each.endswith((".dist-info", "__pycache__"))
        )
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in INCLUDED:  # noqa: PTH122 - thousands of names
                yield os.path.join(parent, name)  # noqa: PTH118


def python_programs() -> list[str]:
    """The programs that this Python was built with: setuptools calls them by these names."""
    values = (sysconfig.get_config_var(name) for name in ("CC", "CXX", "LDSHARED", "LDCXXSHARED", "AR"))
    return [value.split()[0] for value in values if value]


def list_includable(directory: Path, packages: set[Path]) -> None:
    """Write what ccache does not check into compilers.txt."""
    lines = [output("as", "--version").partition("\n")[0]]
    for tree in (directory / "source", *sorted(packages)):
        lines += includable(tree)
    text = "\n".join(lines) + "\n"
    (directory / "compilers.txt").write_text(text, encoding="utf-8", errors="surrogateescape")


def main(
    ccache: str | None,
    names: list[str],
    directory: Path,
    packages: set[Path],
    flags: dict[str, str] | None = None,
    *,
    profile: bool = False,
) -> None:
    if ccache and not usable(ccache):
        sys.stderr.write(f"no compiler cache: {ccache} does not run here, or is older than {OLDEST}\n")
        ccache = None
    if ccache:
        list_includable(directory, packages)
    scripts, calls = directory / "compilers", directory / CALLS
    path = os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if Path(each) != scripts)
    scripts.mkdir()
    calls.mkdir(parents=True, exist_ok=True)
    added = flags_script(flags or {})
    if profile:
        given = "".join(f"$flags{number}" for number in range(len(flags or {})))
        added += PROFILE.format(profile=shlex.quote(str(directory / "profile")), flags=given)
    for name in dict.fromkeys([*names, *python_programs()]):
        found = shutil.which(name, path=path)
        if COMPILER.fullmatch(name) and found:
            command = [ccache, found] if ccache and CACHED.fullmatch(name) else [found]
            words = {
                "program": shlex.quote(found),
                "calls": shlex.quote(str(calls)),
                "command": shlex.join(command),
                "flags": "" if ARCHIVER.fullmatch(name) else added,
            }
            (scripts / name).write_text(SCRIPT.format(**words), encoding="utf-8")
            (scripts / name).chmod(0o755)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("environment")
    parser.add_argument("ccache")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--flags", action="append", default=[])
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    prefix = str(Path(sys.executable).parents[1]) if given.environment == "-" else given.environment
    scheme, base = "nt" if os.name == "nt" else "posix_prefix", {"base": prefix, "platbase": prefix}
    installed = {Path(sysconfig.get_path(kind, scheme, base)) for kind in ("purelib", "platlib")}
    by_glob = dict(each.split("=", 1) for each in given.flags)
    cache = None if given.ccache == "-" else given.ccache
    main(cache, given.names, Path.cwd(), installed, by_glob, profile=given.profile)
