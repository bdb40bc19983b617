"""The likely cause of a failure and the next step, by its message."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from wheelfarm.build.diagnosis.failure import Failure


class Advice(NamedTuple):
    """The likely cause, as one clause, and the next step."""

    cause: str | None = None
    hint: str | None = None


_PACKAGES: Final = "name the package that brings it under system-packages in the recipe"
_COMPILERS: Final = "install the compilers that the recipe names, or use an image that has them"
_REQUIREMENT: Final = "add what brings it to build-requires in the recipe, then run inv recipe.lock"
_OPTIONS: Final = "correct config-settings in the recipe: the project's own option files name what there is"
_UNDEFINED: Final = "no library that is linked defines {0}"
_UNKNOWN: Final = "the build backend knows no option {0}"
_LACKING: Final = "the build environment lacks {0}"
_LIBRARIES: Final = "name the library in the recipe, or look at what the variant's provider links"

# The first match counts; {0} is the pattern's group.
_BY_MESSAGE: Final = (
    (r"error: Python\.h: No such|'Python\.h'", "Python's headers are missing", _PACKAGES),
    (
        r"fatal error: '?([^:'\s]+\.[^:'\s]+)'?(?: file not found|: No such file)",
        "the header {0} is missing",
        _PACKAGES,
    ),
    (r"error C1083: [^:]+: ['\"“]([^'\"”]+)", "the header {0} is missing", _PACKAGES),
    (r"Cannot open module file .([\w.]+)", "the Fortran module {0} is missing", _PACKAGES),
    (r"'([\w./]+\.p(?:xd|xi|yx))' not found", "Cython finds no {0}", _REQUIREMENT),
    (
        r"(?:cannot find|unable to find library|library not found for) -l([\w.+-]+)",
        "the library {0} is missing",
        _PACKAGES,
    ),
    (r"LNK1(?:181|104) ?: [^'\"“]+['\"“]([^'\"”]+)", "the library {0} is missing", _PACKAGES),
    (r"ld: library '([^']+)' not found", "the library {0} is missing", _PACKAGES),
    (r"undefined reference to [`']([^'\s]+)'", _UNDEFINED, _LIBRARIES),
    (r"(?:unresolved external symbol|undefined symbol:) (\S+)", _UNDEFINED, _LIBRARIES),
    (r'Undefined symbols for architecture \S+\n\s+"([^"]+)"', _UNDEFINED, _LIBRARIES),
    (
        r"recompile with -fPIC",
        "a static library that is linked is not position-independent",
        "link a shared library, or one that was built with -fPIC",
    ),
    (r"Unknown compiler\(s\): \[\[?'([^']+)", "the compiler {0} does not run", _COMPILERS),
    (r"(?:unable to execute|error: command) '([^']+)'", "the program {0} is missing", _COMPILERS),
    (r"no acceptable (\S+) compiler found", "there is no {0} compiler", _COMPILERS),
    (r"error: Microsoft Visual C\+\+", "there is no C++ compiler", _COMPILERS),
    (
        r"is not able to compile a simple|Unable to get gcc pre-processor defines|cannot compile programs",
        "the compiler itself does not work",
        "run the command that the log shows, in the same environment",
    ),
    (r'Dependency "([^"]+)" not found', "Meson finds no {0}", _PACKAGES),
    (r"Program '([^']+)' not found", "the program {0} is missing", _REQUIREMENT),
    (r'configuration file provided by\s+"([^"]+)"', "CMake finds no {0}", _PACKAGES),
    (r"Could NOT find (\w+)", "CMake finds no {0}", _PACKAGES),
    (
        r"(?:Unable to locate package|No match for argument:) (\S+)",
        "the image's system has no package {0}",
        "correct the name under system-packages in the recipe",
    ),
    (r'Unknown options?:? "([^"]+)"', _UNKNOWN, _OPTIONS),
    (r"(?:unrecognized arguments:|config-settings:\n) *(\S+)", _UNKNOWN, _OPTIONS),
    (r'for option "([^"]+)"', "the option {0} cannot have this value", _OPTIONS),
    (r"(?:Unmet|Missing) dependencies[^\n]*\n\s*([\w.-]+)", _LACKING, _REQUIREMENT),
    (
        r"No solution found",
        "no set of wheels fits the requirements",
        "inv recipe.lock writes build.lock anew",
    ),
    (r"No module named '([\w.]+)'", _LACKING, _REQUIREMENT),
    (
        r"too-recent versioned symbols",
        "the wheel uses symbols that are newer than its platform tag",
        "build in an older image, or let the tag be newer",
    ),
    (r'required library "([^"]+)" could not be located', "the repair tool does not find {0}", _LIBRARIES),
    (r"Error: Unable to find library: (\S+)", "the repair tool does not find {0}", _LIBRARIES),
    (
        r"([^\s/]+\.(?:dylib|so)) not found(?::|, requested by)",
        "the repair tool does not find {0}",
        _LIBRARIES,
    ),
    (
        r"has already repaired this wheel",
        "it is repaired already",
        "there is nothing to do: name the wheel as the build has made it",
    ),
    (
        r"depends on black-listed symbols",
        "the wheel uses symbols that its platform tag does not allow",
        "do not link what has them, or let the tag be newer",
    ),
    (
        r"DelocationError: Some missing architectures in wheel",
        "a library is for another processor than the wheel",
        "name a directory with the libraries for the wheel's own: --libraries",
    ),
    (
        r"\bccache: error: ",
        "the compiler cache cannot be used",
        "say --no-compiler-cache, or see to the cache's directory",
    ),
    (
        r"\[-Werror(?:=[\w+-]+)?\]",
        "a warning counts as an error here",
        "patch the source, or take -Werror out of the options",
    ),
)

_BY_FAILURE: Final = {
    Failure.OUT_OF_MEMORY: Advice(
        "the memory ran out",
        "run fewer jobs at once (jobs in [tool.wheelfarm]), or set memory in the recipe",
    ),
    Failure.OUT_OF_DISK: Advice(
        "the disk is full, or the quota is used up",
        "free some space below `work`, or set work in [tool.wheelfarm] to another disk",
    ),
    Failure.TIME_LIMIT: Advice(
        "it takes longer than it may, or it hangs",
        "raise time-limit in [tool.wheelfarm] if it made progress; look at the last lines if it did not",
    ),
    Failure.NETWORK: Advice(
        "a host could not be reached",
        "try again; a build that fetches for itself needs its files pinned in the recipe instead",
    ),
    Failure.ENGINE: Advice(
        "the container engine, its image or a container failed",
        "see that podman or docker runs the image, then try again",
    ),
    Failure.INTERRUPTED: Advice(
        "it was interrupted", "run the same command again: finished builds are stored"
    ),
}


def advise(failure: Failure, message: str) -> Advice:
    """The advice for a message; an empty one where nothing is known."""
    if failure in _BY_FAILURE:
        return _BY_FAILURE[failure]
    for pattern, cause, hint in _BY_MESSAGE:
        if found := re.search(pattern, message):
            return Advice(cause.format(*found.groups()), hint)
    return Advice()
