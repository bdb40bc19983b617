"""What is known about messages of failed builds: the likely cause of each, and the next step."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from wheelfarm.build.error_patterns import Failure
from wheelfarm.recipes.draft.system_libraries import library_of_header


class Hints(NamedTuple):
    """The likely cause, as one clause, and the next step."""

    cause: str | None = None
    hint: str | None = None


_PACKAGES: Final = "name the package that brings it under system-packages in the recipe"
_COMPILERS: Final = "install the compilers that the recipe names, or use an image that has them"
_REQUIREMENT: Final = "add what brings it to build-requires in the recipe, then run inv recipe.lock"
_OPTIONS: Final = "correct config-settings in the recipe: the project's own option files name what there is"
_OTHER_VERSION: Final = (
    "lock the version that the source is written for, as [build-requires] replace = "
    '{ name = "name<2" } in the recipe, then inv recipe.lock'
)
PURE_HINT: Final = "a recipe of a pure wheel says compilers = []"
_LIBRARIES: Final = (
    "link the library that defines it: by the project's own options, or LDFLAGS under [environment] in the "
    "recipe; the BLAS comes from the variant's provider"
)
_LOST_LIBRARY: Final = "the repair tool does not find "
_LOST: Final = (
    "name the package that brings it under system-packages in the recipe; what the build itself made "
    "has to be installed into the wheel"
)


def _older_setuptools(version: int) -> str:
    """The edits that lock a setuptools before a version."""
    return (
        f'[build-requires] replace = {{ setuptools = "setuptools<{version}" }} in the recipe, or add = '
        f'["setuptools<{version}"] where the source does not require it, then inv recipe.lock'
    )


# Cause, next step, and the patterns of messages; the first match counts, and {0} is the pattern's group.
_BY_MESSAGE: Final = (
    ("Python's headers are missing", _PACKAGES, r"error: Python\.h: No such", r"'Python\.h'"),
    (
        *("the header {0} is missing", _PACKAGES),
        r"fatal error: '?([^:'\s]+\.[^:'\s]+)'?(?: file not found|: No such file)",
        r"error C1083: [^:]+: ['\"“]([^'\"”]+)",
    ),
    ("the Fortran module {0} is missing", _PACKAGES, r"Cannot open module file .([\w.]+)"),
    ("Cython finds no {0}", _REQUIREMENT, r"'([\w./]+\.p(?:xd|xi|yx))' not found"),
    (
        *("the library {0} is missing", _PACKAGES),
        r"(?:cannot find|unable to find library|library not found for) -l([\w.+-]+)",
        r"LNK1(?:181|104) ?: [^'\"“]+['\"“]([^'\"”]+)",
        r"ld: library '([^']+)' not found",
    ),
    (
        *("no library that is linked defines {0}", _LIBRARIES),
        r"undefined reference to [`']([^'\s]+)'",
        r"(?:unresolved external symbol|undefined symbol:) (\S+)",
        r'Undefined symbols for architecture \S+\n\s+"([^"]+)"',
    ),
    (
        "a static library that is linked is not position-independent",
        "link a shared library, or one that was built with -fPIC",
        r"recompile with -fPIC",
    ),
    ("the compiler {0} does not run", _COMPILERS, r"Unknown compiler\(s\): \[\[?'([^']+)"),
    ("the program {0} is missing", _COMPILERS, r"(?:unable to execute|error: command) '([^']+)'"),
    ("there is no {0} compiler", _COMPILERS, r"no acceptable (\S+) compiler found"),
    ("there is no C++ compiler", _COMPILERS, r"error: Microsoft Visual C\+\+"),
    (
        "the compiler itself does not work",
        "run the command that the log shows, in the same environment",
        r"is not able to compile a simple|Unable to get gcc pre-processor defines|cannot compile programs",
    ),
    ("Meson finds no {0}", _PACKAGES, r'Dependency "([^"]+)" not found'),
    ("the program {0} is missing", _REQUIREMENT, r"Program '([^']+)' not found"),
    (
        *("CMake finds no {0}", _PACKAGES),
        *(r'configuration file provided by\s+"([^"]+)"', r"Could NOT find (\w+)"),
    ),
    (
        "the image's system has no package {0}",
        "correct the name under system-packages in the recipe",
        r"(?:Unable to locate package|No match for argument:) (\S+)",
    ),
    (
        "the image's system has another version of {0}",
        "correct the version under system-packages in the recipe",
        r"E: Version '[^']+' for '([^']+)' was not found",
    ),
    (
        *("the build backend knows no option {0}", _OPTIONS),
        r'Unknown options?:? "([^"]+)"',
        r"(?:unrecognized arguments:|config-settings:\n) *(\S+)",
    ),
    ("the option {0} cannot have this value", _OPTIONS, r'for option "([^"]+)"'),
    (
        "setuptools has no pkg_resources since version 82",
        _older_setuptools(81),
        r"No module named 'pkg_resources[\w.]*'",
    ),
    (
        "setuptools has no distutils.msvccompiler since version 74",
        _older_setuptools(74),
        r"No module named 'distutils\.(?:msvc|_msvc)\w*'",
    ),
    (
        "Python has no distutils since version 3.12, and setuptools, which has it, is not there",
        '[build-requires] add = ["setuptools"] in the recipe, then inv recipe.lock',
        r"No module named 'distutils'",
    ),
    (
        "numpy has no numpy.distutils with Python 3.12 and newer",
        'build a version of the source that does not use it, or for older Pythons only: python = "<3.12"',
        r"No module named 'numpy\.distutils[\w.]*'",
    ),
    (
        *("{0} is in the build environment, in a version without {0}.{1}", _OTHER_VERSION),
        r"No module named '(\w+)\.([\w.]+)'",
    ),
    (
        *("the build environment lacks {0}", _REQUIREMENT),
        *(r"(?:Unmet|Missing) dependencies[^\n]*\n\s*([\w.-]+)", r"No module named '([\w.]+)'"),
    ),
    (
        *("no set of wheels fits the requirements", "inv recipe.lock writes build.lock anew"),
        r"No solution found",
    ),
    (
        "the wheel uses symbols that are newer than its platform tag",
        "build in an older image, or let the tag be newer",
        r"too-recent versioned symbols",
    ),
    (
        *(f"{_LOST_LIBRARY}{{0}}", _LOST),
        r'required library "([^"]+)" could not be located',
        r"Error: Unable to find library: (\S+)",
        r"([^\s/]+\.(?:dylib|so)) not found(?::|, requested by)",
    ),
    (
        "the build made a pure wheel: an optional extension failed, or a switch leaves it out",
        PURE_HINT,
        r"a pure Python wheel was generated",
    ),
    (
        "{0} writes a wrong RECORD",
        "lock another backend by [build-requires] replace, or patch it: docs/how-to/patch-a-source.md",
        r"error: RECORD of \S+, which (.+) wrote, is wrong",
    ),
    (
        "{0} links no library at all, also not the C library, so auditwheel does not know what it is for",
        (
            "keep the C library linked: [platforms.linux.append.environment] "
            'LDFLAGS = "-Wl,--strip-all -Wl,--no-as-needed" in the recipe'
        ),
        r"InvalidLibcError: couldn't detect libc for python extension (\S+)",
    ),
    (
        "it is repaired already",
        "there is nothing to do: name the wheel as the build has made it",
        r"has already repaired this wheel",
    ),
    (
        "the wheel uses symbols that its platform tag does not allow",
        "do not link what has them, or let the tag be newer",
        r"depends on black-listed symbols",
    ),
    (
        "a library is for another processor than the wheel",
        "name a directory with the libraries for the wheel's own: --libraries",
        r"DelocationError: Some missing architectures in wheel",
    ),
    (
        "the compiler cache cannot be used",
        "say --no-compiler-cache, or see to the cache's directory",
        r"\bccache: error: ",
    ),
    (
        "a warning counts as an error here",
        "patch the source, or take -Werror out of the options",
        r"\[-Werror(?:=[\w+-]+)?\]",
    ),
)

MACHINE: Final = {
    Failure.OUT_OF_MEMORY: Hints(
        "the memory ran out",
        "run fewer jobs at once (jobs in [tool.wheelfarm]), or set memory in the recipe",
    ),
    Failure.OUT_OF_DISK: Hints(
        "the disk is full, or the quota is used up",
        "free some space below `work`, or set work in [tool.wheelfarm] to another disk",
    ),
    Failure.TIME_LIMIT: Hints(
        "it takes longer than it may, or it hangs",
        "raise time-limit in [tool.wheelfarm] if it made progress; look at the last lines if it did not",
    ),
    Failure.NETWORK: Hints(
        "a host could not be reached",
        "try again; a build that fetches for itself needs its files pinned in the recipe instead",
    ),
    Failure.ENGINE: Hints(
        "the container engine, its image or a container failed",
        "see that podman or docker runs the image, then try again",
    ),
    Failure.INTERRUPTED: Hints(
        "it was interrupted", "run the same command again: finished builds are stored"
    ),
}
"""Failures of the machine, in whatever step, and the hints about each: the recipe does not cause them."""


def lost_library(cause: str | None) -> str | None:
    """The library that the repair tool does not find, where that is a cause; None where it is another one."""
    return cause.removeprefix(_LOST_LIBRARY) if cause and cause.startswith(_LOST_LIBRARY) else None


def find_hints(failure: Failure, message: str) -> Hints:
    """The hints for a message; empty ones where nothing is known."""
    if failure in MACHINE:
        return MACHINE[failure]
    for cause, hint, *patterns in _BY_MESSAGE:
        for pattern in patterns:
            if found := re.search(pattern, message):
                library = library_of_header(found[1]) if hint is _PACKAGES and found.groups() else None
                return Hints(cause.format(*found.groups()), library.hint if library else hint)
    return Hints()
