"""The repair tools of the platforms, their command lines, and checks of their output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from packaging.utils import InvalidWheelFilename
from packaging.version import Version

from wheelfarm.errors import Collector, RepairError, YieldError, counted
from wheelfarm.model import Platform
from wheelfarm.model.wheel_names import parse_wheel_filename
from wheelfarm.recipes.nightly import is_nightly
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import BinaryFormat, externals
from wheelfarm.wheels.exclusion import is_excluded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Name
    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.binary import Binary


# File names of libraries on the three systems, and where each comes from.
_SOURCES: Final[Mapping[str, str]] = {
    "*scipy_openblas*": "the wheel scipy-openblas32, pinned in the lock of a variant with that provider",
    "*openblas*": 'OpenBLAS: system-packages.apt = ["libopenblas-dev"], or openblas-devel (dnf)',
    "lib*lapack*": 'netlib: system-packages.apt = ["liblapack-dev"], or lapack-devel (dnf)',
    "lib*blas*": 'netlib: system-packages.apt = ["libblas-dev"], or blas-devel (dnf)',
    "libgfortran*": "the Fortran compiler: libgfortran5 (apt), libgfortran (dnf), gcc (brew), MinGW's bin/",
    "libquadmath*": "the Fortran compiler: libquadmath0 (apt), libquadmath (dnf), gcc (brew), MinGW's bin/",
    "libgomp*": "the compiler's OpenMP: libgomp1 (apt), libgomp (dnf), MinGW's bin/",
    "libomp*": "LLVM's OpenMP: libomp (brew), libomp5 (apt)",
    "libgcc_s*": "the compiler: libgcc-s1 (apt), libgcc (dnf), MinGW's bin/",
    "libstdc++*": "the compiler: libstdc++6 (apt), libstdc++ (dnf), MinGW's bin/",
    "libwinpthread*": "MinGW's bin/",
    "msvcp140*": "Microsoft's redistributable of Visual C++",
    "vcomp140*": "Microsoft's redistributable of Visual C++",
}


def library_source(library: str) -> str | None:
    """Where a library comes from, in words; None for an unknown one."""
    name = library.replace("\\", "/").rpartition("/")[2].lower()
    return next((source for glob, source in _SOURCES.items() if fnmatchcase(name, glob)), None)


# Libraries of every system. For ELF, auditwheel's policies decide, by platform tag (PEP 600).
_SYSTEM: Final[Mapping[BinaryFormat, tuple[str, ...]]] = {
    BinaryFormat.ELF: ("*",),
    BinaryFormat.MACHO: ("/usr/lib/*", "/system/library/*"),
    BinaryFormat.PE: (
        *("api-ms-win-*.dll", "ext-ms-*.dll", "python3*.dll", "vcruntime140*.dll", "ucrtbase.dll"),
        *("kernel32.dll", "kernelbase.dll", "ntdll.dll", "user32.dll", "gdi32.dll", "advapi32.dll"),
        *("shell32.dll", "ole32.dll", "oleaut32.dll", "ws2_32.dll", "bcrypt.dll", "crypt32.dll"),
        *("msvcrt.dll", "version.dll", "psapi.dll", "shlwapi.dll", "dbghelp.dll", "iphlpapi.dll"),
    ),
}
_WILDCARD: Final = re.compile(r"[*?\[]")
_BOTH: Final = {"universal2": ("arm64", "x86_64")}


def check_repaired(binaries: Iterable[Binary], platform_tag: str, exclude: Iterable[str] = ()) -> None:
    """Refuse a wheel with binaries for another processor, or that need libraries of this machine.

    Libraries that a glob of `exclude` matches belong to other wheels.

    Raises:
        RepairError: a group with each binary or library.
    """
    binaries, problems = tuple(binaries), Collector()
    arch = architecture(platform_tag)
    wanted = _BOTH.get(arch, (arch,))
    for binary in binaries:
        if binary.machine not in wanted:
            problems.add(
                RepairError(
                    f"{binary.member} is for {binary.machine}, and the wheel for {arch}",
                    where=binary.member,
                    why="a library of that name for another processor was found first",
                    hint=f"name the directory with the libraries for {arch}: --libraries",
                )
            )
    needed = externals(binaries)
    for library in (each for each in needed if not is_excluded(each, exclude)):
        members = needed[library]
        formats = {binary.format for binary in binaries if binary.member in members}
        if not all(any(fnmatchcase(library.lower(), glob) for glob in _SYSTEM[each]) for each in formats):
            problems.add(
                RepairError(
                    f"{library} is needed from outside the wheel",
                    where=", ".join(members),
                    why="it is neither in the wheel nor part of the system",
                    hint=library_source(library) or "name a directory that has it: --libraries",
                )
            )
    problems.check()


@dataclass(frozen=True)
class Tool:
    """A repair tool: its command line with placeholders, and its option for library directories."""

    program: str
    distribution: str
    argv: tuple[str, ...]
    library_variable: str | None = None
    library_argv: tuple[str, ...] = ()
    excluding_argv: tuple[str, ...] = ()
    """Words that it needs with --exclude."""
    examined_argv: tuple[str, ...] = ()
    """Words for a wheel whose instruction sets the gate examines: it knows which level the recipe expects."""
    takes_globs: bool = True
    """Whether its --exclude takes globs of file names, and not a part of the path."""

    def command(
        self,
        *,
        wheel: str,
        dest: str,
        arch: str,
        libraries: str | None,
        exclude: Iterable[str] = (),
        examined: bool = False,
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """The arguments and variables for a wheel.

        Args:
            wheel: the built wheel.
            dest: the directory of the repaired one.
            arch: the architecture of its platform tag.
            libraries: a directory of libraries that is unknown to the loader.
            exclude: globs of the libraries that are not copied.
            examined: whether the gate examines the instruction sets of the wheel.
        """
        values = {"wheel": wheel, "dest": dest, "arch": arch, "libraries": libraries or ""}
        excluded = [glob if self.takes_globs else _WILDCARD.split(glob)[0] for glob in exclude]
        options = [word for glob in excluded for word in ("--exclude", glob)]
        options += self.excluding_argv if excluded else ()
        options += self.examined_argv if examined else ()
        words = (self.program, *self.argv, *options, *(self.library_argv if libraries else ()))
        filled = tuple(values[word[1:-1]] if word.startswith("@") else word for word in words)
        variables = {self.library_variable: libraries} if self.library_variable and libraries else {}
        return filled, variables


_TO_DEST: Final = ("--wheel-dir", "@dest@", "@wheel@")
TOOLS: Final[Mapping[Platform, Tool]] = {
    Platform.LINUX: Tool(
        "auditwheel",
        "auditwheel",
        ("repair", *_TO_DEST),
        library_variable="LD_LIBRARY_PATH",
        examined_argv=("--disable-isa-ext-check",),
    ),
    Platform.MACOS: Tool(
        "delocate-wheel",
        "delocate",
        ("--require-archs", "@arch@", "--wheel-dir", "@dest@", "-v", "@wheel@"),
        library_variable="DYLD_LIBRARY_PATH",
        # It looks for each library, also for one that it does not copy.
        excluding_argv=("--ignore-missing-dependencies",),
        takes_globs=False,
    ),
    Platform.WINDOWS: Tool(
        "delvewheel", "delvewheel", ("repair", *_TO_DEST), library_argv=("--add-path", "@libraries@")
    ),
}

ELSEWHERE: Final = Tool(
    "repairwheel",
    "repairwheel",
    ("--no-sys-paths", "--output-dir", "@dest@", "@wheel@"),
    library_argv=("--lib-dir", "@libraries@"),
)
"""For wheels of another system than this machine's, whose libraries are of no use to them."""


def tool_for(platform: Platform, here: Platform) -> Tool:
    """The tool for a wheel of a platform, on a machine of another or the same one."""
    return TOOLS[platform] if platform is here else ELSEWHERE


def architecture(platform_tag: str) -> str:
    """The architecture in a platform tag: x86_64 in macosx_11_0_x86_64."""
    found = re.search(r"x86_64$|[a-z0-9]+$", platform_tag)
    return found[0] if found else platform_tag


def built_version(build: Build) -> str | None:
    """The version that a built wheel must have; None of a nightly, whose source says what it likes."""
    return None if is_nightly(build.recipe.table) else build.recipe.table.version


def only_wheel(directory: Path, *, name: Name, version: str | None, made_by: str) -> Path:
    """The one wheel in a directory, of that name and, unless it is None, version.

    Raises:
        YieldError: when there is none, more than one, or one of another name or version.
    """
    wheels = sorted(directory.glob("*.whl"))
    if len(wheels) != 1:
        raise YieldError(
            f"{made_by} left {counted(len(wheels), 'wheel') if wheels else 'no wheel'} for {name}",
            where=str(directory),
            why=", ".join(path.name for path in wheels) or "the directory is empty",
            hint="a recipe is for one distribution: look at the source's build configuration",
        )
    check_name(wheels[0].name, name=name, version=version)
    return wheels[0]


def check_name(filename: str, *, name: Name, version: str | None) -> None:
    """Refuse a file name that is no wheel's, and a wheel of another name or, unless it is None, version."""
    try:
        found, found_version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename as problem:
        raise YieldError(f"{filename} is not a wheel's name", why=str(problem)) from problem
    if str(found) != name or (version is not None and found_version != Version(version)):
        raise YieldError(
            f"the build of {' '.join(filter(None, (name, version)))} made {found} {found_version}",
            where=filename,
            why="the source says another name or version than the recipe",
            hint="correct `name` and `version` in the recipe; where the source computes its version from a "
            "repository, add a patch that writes it down",
        )


def check_normalized(filename: str) -> None:
    """Refuse a wheel's file name that the binary distribution format lets be read, and not be written."""
    name, version, _, _ = parse_wheel_filename(filename)
    normalized = f"{name.replace('-', '_')}-{version}-"
    if not filename.startswith(normalized):
        raise YieldError(
            f"{filename} does not have the name of a new wheel",
            where=filename,
            why=f"the specification normalizes name and version, as {normalized}*.whl; older backends do not",
            hint=f"lock a newer backend: [build-requires] replace, then inv recipe.lock {name}",
        )


def propose_exclude(library: str, directory: BuildDirectory) -> str | None:
    """The line that leaves a library to the farm's wheel that has it; None where no run requirement has it.

    Args:
        library: its file name, as before the repair.
        directory: of the build.
    """
    build = directory.build
    needed = {each.name for each in build.run}
    for pinned in directory.requirements:
        if not pinned.farm or pinned.name not in needed:
            continue
        for member in open_wheel(pinned.path).names:
            if PurePosixPath(member).name == library:
                glob = re.sub(r"\.so\.\d.*", ".so.*", library)
                line = f'[repair] exclude = ["{glob}"] in {build.recipe.where}'
                return (
                    f"{line} leaves {library} to {pinned.name}, which has {member}; "
                    "the extension must have an RPATH from $ORIGIN to it"
                )
    return None
