"""Messages of failed builds: the likely cause of each, the next step, and the edit that mends it."""

from __future__ import annotations

from typing import Final, NamedTuple

from wheelfarm.build.edits import FORTRAN, Compile, Edit, Find, Import, Require, SetVariable


class MessageRow(NamedTuple):
    """What is known about some messages."""

    cause: str
    """`{0}` is the first group of the pattern."""
    hint: str
    patterns: tuple[str, ...]
    edit: Edit | Find | Import | None


def _row(cause: str, hint: str, *patterns: str, edit: Edit | Find | Import | None = None) -> MessageRow:
    return MessageRow(cause, hint, patterns, edit)


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
LOST_LIBRARY: Final = "the repair tool does not find "
_LOST: Final = (
    "name the package that brings it under system-packages in the recipe; what the build itself made "
    "has to be installed into the wheel"
)


_OLDER_CYTHON: Final = (
    '[build-requires] replace = { cython = "cython<3" } in the recipe, then inv recipe.lock; or take a newer '
    "release of it"
)
_OLDER_NUMPY: Final = (
    "take a release that supports it, or correct the source by a patch; where numpy comes from the index, "
    '[build-requires] replace = { numpy = "numpy<2" } in the recipe; the wheel then needs it to run too'
)
_OLD_FIELDS: Final = "elsize|subarray|fields|names|flags|alignment|c_metadata"
"""Members of PyArray_Descr that code could use until numpy 2 (NPY_2_COMPAT of its migration guide)."""


def _older_setuptools(version: int) -> str:
    """The edits that lock a setuptools before a version."""
    return (
        f'[build-requires] replace = {{ setuptools = "setuptools<{version}" }} in the recipe, or add = '
        f'["setuptools<{version}"] where the source does not require it, then inv recipe.lock'
    )


# The first match counts.
MESSAGES: Final = (
    _row(
        *("the source does not support numpy 2", _OLDER_NUMPY),
        r"fatal error: '?numpy/(?:noprefix|npy_interrupt|old_defines)\.h'?",
        rf"PyArray_Descr\W[^\n]* has no member named \W(?:{_OLD_FIELDS})\b",
        rf"no member named '(?:{_OLD_FIELDS})' in '(?:struct )?_?PyArray_Descr'",
        r"AttributeError: `np\.\w+` was removed in the NumPy 2\.0 release",
        edit=Require("numpy<2"),
    ),
    _row("Python's headers are missing", _PACKAGES, r"error: Python\.h: No such", r"'Python\.h'"),
    _row(
        *("the header {0} is missing", _PACKAGES),
        r"fatal error: '?([^:'\s]+\.[^:'\s]+)'?(?: file not found|: No such file)",
        r"error C1083: [^:]+: ['\"“]([^'\"”]+)",
        edit=Find("headers"),
    ),
    _row("the Fortran module {0} is missing", _PACKAGES, r"Cannot open module file .([\w.]+)"),
    _row(
        "gfortran 10 and newer refuse arguments of another type or rank",
        'FFLAGS = "-std=legacy" under [environment] in the recipe makes them a warning; or patch the source',
        r"(?:Rank|Type) mismatch (?:in argument|between actual argument)",
        edit=SetVariable("FFLAGS", "-std=legacy"),
    ),
    _row("Cython finds no {0}", _REQUIREMENT, r"'([\w./]+\.p(?:xd|xi|yx))' not found"),
    _row(
        *("the library {0} is missing", _PACKAGES),
        r"(?:cannot find|unable to find library|library not found for) -l([\w.+-]+)",
        r"LNK1(?:181|104) ?: [^'\"“]+['\"“]([^'\"”]+)",
        r"ld: library '([^']+)' not found",
        edit=Find("links"),
    ),
    _row(
        *("no library that is linked defines {0}", _LIBRARIES),
        r"undefined reference to [`']([^'\s]+)'",
        r"(?:unresolved external symbol|undefined symbol:) (\S+)",
        r'Undefined symbols for architecture \S+\n\s+"([^"]+)"',
    ),
    _row(
        "a static library that is linked is not position-independent",
        "link a shared library, or one that was built with -fPIC",
        r"recompile with -fPIC",
    ),
    _row(
        *("the Fortran compiler {0} does not run", _COMPILERS),
        rf"Unknown compiler\(s\): \[\[?'({'|'.join(sorted(FORTRAN))})'",
        edit=Compile("fortran"),
    ),
    _row(
        *("there is no Fortran compiler", _COMPILERS),
        *(
            r"No CMAKE_Fortran_COMPILER could be found",
            r"(?i:fortran compiler not found|no fortran compiler found)",
        ),
        edit=Compile("fortran"),
    ),
    _row(
        *("there is no C++ compiler", _COMPILERS, r"No CMAKE_CXX_COMPILER could be found"),
        edit=Compile("c++"),
    ),
    _row("the compiler {0} does not run", _COMPILERS, r"Unknown compiler\(s\): \[\[?'([^']+)"),
    _row("the program {0} is missing", _COMPILERS, r"(?:unable to execute|error: command) '([^']+)'"),
    _row("there is no {0} compiler", _COMPILERS, r"no acceptable (\S+) compiler found"),
    _row("there is no C++ compiler", _COMPILERS, r"error: Microsoft Visual C\+\+"),
    _row(
        "the compiler itself does not work",
        "run the command that the log shows, in the same environment",
        r"is not able to compile a simple|Unable to get gcc pre-processor defines|cannot compile programs",
    ),
    _row("Meson finds no {0}", _PACKAGES, r'Dependency "([^"]+)" not found', edit=Find("meson")),
    _row(
        *("pkg-config finds no {0}", _PACKAGES),
        r"No package '([\w.+-]+)' found",
        r"Package '?([\w.+-]+)'?(?:, required by '[^']+',)? (?:was )?not found",
        edit=Find("meson"),
    ),
    _row(
        "CMake has no policies from before 3.5 since version 4",
        'let it take those of 3.5: [environment] CMAKE_POLICY_VERSION_MINIMUM = "3.5" in the recipe',
        r"Compatibility with CMake < 3\.5 has been removed",
        edit=SetVariable("CMAKE_POLICY_VERSION_MINIMUM", "3.5"),
    ),
    _row("the program {0} is missing", _REQUIREMENT, r"Program '([^']+)' not found"),
    _row(
        *("CMake finds no {0}", _PACKAGES),
        *(r'configuration file provided by\s+"([^"]+)"', r"Could NOT find (\w+)"),
        edit=Find("cmake"),
    ),
    _row(
        "the image's system has no package {0}",
        "correct the name under system-packages in the recipe",
        r"(?:Unable to locate package|No match for argument:) (\S+)",
    ),
    _row(
        "the image's system has another version of {0}",
        "correct the version under system-packages in the recipe",
        r"E: Version '[^']+' for '([^']+)' was not found",
    ),
    _row(
        *("the build backend knows no option {0}", _OPTIONS),
        r'Unknown options?:? "([^"]+)"',
        r"(?:unrecognized arguments:|config-settings:\n) *(\S+)",
    ),
    _row("the option {0} cannot have this value", _OPTIONS, r'for option "([^"]+)"'),
    _row(
        "setuptools has no pkg_resources since version 82",
        _older_setuptools(81),
        r"No module named 'pkg_resources[\w.]*'",
        edit=Require("setuptools<81"),
    ),
    _row(
        "setuptools has no distutils.msvccompiler since version 74",
        _older_setuptools(74),
        r"No module named 'distutils\.(?:msvc|_msvc)\w*'",
        edit=Require("setuptools<74"),
    ),
    _row(
        "Python has no distutils since version 3.12, and setuptools, which has it, is not there",
        '[build-requires] add = ["setuptools"] in the recipe, then inv recipe.lock',
        r"No module named 'distutils'",
        edit=Require("setuptools"),
    ),
    _row(
        "numpy has no numpy.distutils with Python 3.12 and newer",
        'build a version of the source that does not use it, or for older Pythons only: python = "<3.12"',
        r"No module named 'numpy\.distutils[\w.]*'",
    ),
    _row(
        *("{0} is in the build environment, in a version without {0}.{1}", _OTHER_VERSION),
        r"No module named '(\w+)\.([\w.]+)'",
    ),
    _row(
        *("the build environment lacks {0}", _REQUIREMENT),
        *(r"(?:Unmet|Missing) dependencies[^\n]*\n\s*([\w.-]+)", r"No module named '([\w.]+)'"),
        edit=Import(),
    ),
    _row(
        *("the source is written for Cython before version 3", _OLDER_CYTHON),
        r"Exception values are incompatible\. Suggest adding 'noexcept'",
        r"undeclared name not builtin: (?:long|unicode|basestring|unichr|xrange)\b",
        # https://github.com/yaml/pyyaml/issues/724
        r"AttributeError: (?:'build_ext' object has no attribute ')?cython_sources",
        edit=Require("cython<3"),
    ),
    _row(
        "setuptools-scm finds no version: a source holds no repository",
        '[environment] SETUPTOOLS_SCM_PRETEND_VERSION = "1.0" in the recipe, with its own version',
        r"setuptools-scm was unable to detect version",
        edit=SetVariable("SETUPTOOLS_SCM_PRETEND_VERSION", "{version}"),
    ),
    _row(
        "the source states its license as an expression (PEP 639), which setuptools reads since version 77",
        '[build-requires] replace = { setuptools = "setuptools>=77" } in the recipe, then inv recipe.lock',
        r"invalid pyproject\.toml config: `project\.license`",
        edit=Require("setuptools>=77"),
    ),
    _row(
        *("no set of wheels fits the requirements", "inv recipe.lock writes build.lock anew"),
        r"No solution found",
    ),
    _row(
        "the wheel uses symbols that are newer than its platform tag",
        "build in an older image, or let the tag be newer",
        r"too-recent versioned symbols",
    ),
    _row(
        *(f"{LOST_LIBRARY}{{0}}", _LOST),
        r'required library "([^"]+)" could not be located',
        r"Error: Unable to find library: (\S+)",
        r"([^\s/]+\.(?:dylib|so)) not found(?::|, requested by)",
    ),
    _row(
        "the build made a pure wheel: an optional extension failed, or a switch leaves it out",
        PURE_HINT,
        r"a pure Python wheel was generated",
    ),
    _row(
        "{0} writes a wrong RECORD",
        "lock another backend by [build-requires] replace, or patch it: docs/how-to/patch-a-source.md",
        r"error: RECORD of \S+, which (.+) wrote, is wrong",
    ),
    _row(
        "{0} links no library at all, also not the C library, so auditwheel does not know what it is for",
        (
            "keep the C library linked: [platforms.linux.append.environment] "
            'LDFLAGS = "-Wl,--strip-all -Wl,--no-as-needed" in the recipe'
        ),
        r"InvalidLibcError: couldn't detect libc for python extension (\S+)",
    ),
    _row(
        "it is repaired already",
        "there is nothing to do: name the wheel as the build has made it",
        r"has already repaired this wheel",
    ),
    _row(
        "the wheel uses symbols that its platform tag does not allow",
        "do not link what has them, or let the tag be newer",
        r"depends on black-listed symbols",
    ),
    _row(
        "a library is for another processor than the wheel",
        "name a directory with the libraries for the wheel's own: --libraries",
        r"DelocationError: Some missing architectures in wheel",
    ),
    _row(
        "the compiler cache cannot be used",
        "say --no-compiler-cache, or see to the cache's directory",
        r"\bccache: error: ",
    ),
    _row(
        "a warning counts as an error here",
        "patch the source, or take -Werror out of the options",
        r"\[-Werror(?:=[\w+-]+)?\]",
    ),
)
