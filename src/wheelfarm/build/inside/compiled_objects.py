"""Runs in a build directory, after the backend: reports how the objects in a wheel's binaries were compiled.

From the calls that the scripts of compilers.py have written follows which objects and static libraries each
binary was linked from, and the options of each object that choose instructions. The compiler itself says what
they come to: the macros that it defines with them, beyond those of the architecture's baseline. A build that
continues from the build cache compiles little, so what is known stays in Meson's build directory. Uses the
standard library only.

Usage: compiled_objects.py WHEEL OUTPUT [GLOB…], of the sources or objects that the recipe has flags for
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections import Counter
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from posixpath import basename, join, normpath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CALLS = Path("tmp", "compiler-calls")
MARK, KNOWN = Path("build", ".wheelfarm.json"), Path("build", ".wheelfarm-objects.json")
SOURCE = re.compile(r".*\.(c|cc|cpp|cxx|c\+\+|C|m|mm|f|for|f77|f90|f95|f03|f08|F|F77|F90|F95|F03|F08)")
ASSEMBLY = re.compile(r".*\.(s|S|sx|asm)")  # what it says itself is in the object, whatever the options are
ARCHIVER = re.compile(r"(.*-)?ar(-[0-9.]+)?")
CHOICE = re.compile(r"-m(?!macos)|--target=")
# Options whose value is the next word.
VALUED = frozenset(
    {
        *(
            "-o",
            "-x",
            "-D",
            "-U",
            "-I",
            "-L",
            "-l",
            "-T",
            "-u",
            "-z",
            "-MF",
            "-MT",
            "-MQ",
            "-arch",
            "-target",
        ),
        *("-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-isysroot", "-framework", "-Xlinker"),
        *("-Xclang", "-Xpreprocessor", "-Xassembler", "-install_name", "-J", "--param", "--sysroot"),
    }
)
NO_OBJECT = frozenset({"-E", "-S", "-M", "-MM", "-fsyntax-only"})
BASELINES = {"x86_64": "-march=x86-64", "aarch64": "-march=armv8-a"}
FEATURE = re.compile(r"#define __(?:ARM_FEATURE_([A-Z0-9_]+)|([A-Z][A-Z0-9_]*)__) 1")
# Macros that options which choose no instructions define.
OTHERS = re.compile(r"SHSTK|CET|I?LP(32|64)|LONG_DOUBLE_.*|.*_MATH|.*_DEFAULT|UNALIGNED")

Parts = dict[str, Counter[str]]
"""What an object, a static library or a binary consists of: path → objects by their options."""


def read_calls(directory: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Directory, program and arguments of each call in their order, those from files of arguments too."""
    files = [path for path in directory.iterdir() if path.name.isdecimal()] if directory.is_dir() else []
    for file in sorted(files, key=lambda path: (path.stat().st_mtime_ns, int(path.name))):
        fields = file.read_bytes().decode("utf-8", "surrogateescape").split("\0")
        at = 0
        while at + 3 < len(fields) and fields[at].isdecimal():
            end = after = at + 3 + int(fields[at])
            words: list[str] = []
            for word in fields[at + 3 : end]:
                if word.startswith("@"):
                    # Of no file, as @rpath/libz.dylib, there is no content.
                    words += split("".join(fields[after : after + 1])) or [word]
                    after += 1
                else:
                    words.append(word)
            yield fields[at + 1], fields[at + 2], words
            at = after


def split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def total(parts: Parts) -> Counter[str]:
    return sum(parts.values(), Counter())


class Objects:
    """What was made by the calls so far."""

    def __init__(
        self,
        made: dict[str, dict[str, dict[str, int]]],
        linked: Iterable[str],
        compilers: dict[str, str],
    ) -> None:
        self.made = {
            path: {part: Counter(each) for part, each in parts.items()} for path, parts in made.items()
        }
        self.linked = dict.fromkeys(linked)
        """The paths of binaries, the latest last."""
        self.compilers = dict(compilers)
        """A compiler by the options that it was called with."""

    def add(self, cwd: str, program: str, words: list[str]) -> None:
        if ARCHIVER.fullmatch(basename(program)):
            self.archive(cwd, words)
        elif not NO_OBJECT.intersection(words):
            self.compile(cwd, program, words)

    def archive(self, cwd: str, words: list[str]) -> None:
        """Add objects to a static library: `ar [--plugin FILE] [-]OPERATIONS LIBRARY OBJECT…`."""
        if "--plugin" in words:
            del words[words.index("--plugin") :][:2]
        operations, *paths = [word for word in words if not word.startswith("--")] or [""]
        if paths and set("rq") & set(operations):
            library, *objects = (normpath(join(cwd, path)) for path in paths)
            self.made.setdefault(library, {}).update(self.parts(objects))

    def parts(self, paths: Iterable[str]) -> Parts:
        """Those of some paths whose objects are known."""
        return {path: total(self.made[path]) for path in paths if path in self.made}

    def compile(self, cwd: str, program: str, words: list[str]) -> None:
        """Add an object, or a binary: a compiler links too."""
        choices: list[str] = []
        values: dict[str, list[str]] = {"-o": [], "-L": [], "-l": []}
        inputs: list[str] = []
        rest = iter(words)
        for word in rest:
            if word in VALUED:
                value = next(rest, "")
                values.setdefault(word, []).append(value)
                choices += [word, value] if word in {"-arch", "-target"} else []
            elif word[:2] in {"-L", "-l"}:
                values[word[:2]].append(word[2:])
            elif CHOICE.match(word):
                choices.append(word)
            elif not word.startswith("-"):
                inputs.append(word)
            elif word.startswith("-Wl,"):
                inputs += word.split(",")
        compiles, options = "-c" in words, " ".join(choices)
        self.compilers.setdefault(options, program)
        sources = [
            word for word in inputs if (compiles or SOURCE.fullmatch(word)) and not ASSEMBLY.fullmatch(word)
        ]
        own: Parts = {normpath(join(cwd, source)): Counter([options]) for source in sources}
        if compiles:
            for source in sources:
                output = (values["-o"] or [re.sub(r"\.\w+$", ".o", basename(source))])[-1]
                self.made[normpath(join(cwd, output))] = {normpath(join(cwd, source)): Counter([options])}
            return
        libraries = [f"{place}/lib{name}.a" for name in values["-l"] for place in values["-L"]]
        paths = [normpath(join(cwd, path)) for path in (*inputs, *libraries)]
        binary = normpath(join(cwd, (values["-o"] or ["a.out"])[-1]))
        self.made[binary] = {**own, **self.parts(paths)}
        self.linked.pop(binary, None)
        self.linked[binary] = None

    def of_members(self, members: Iterable[str]) -> dict[str, dict[str, int]]:
        """The objects of each member by their options: of the latest binary with the most similar path."""
        found = {}
        for member in members:
            like = [path for path in self.linked if file_name(path) == file_name(member)]
            best = max(reversed(like), key=lambda path: common_end(path, member), default="")
            if objects := total(self.made.get(best, {})):
                found[member] = dict(sorted(objects.items()))
        return found


def file_name(path: str) -> str:
    """The name of a file without the version of a library."""
    return re.sub(r"\.so[.0-9]*$", ".so", basename(path))


def common_end(one: str, member: str) -> int:
    """How many directories two paths have in common at their end."""
    pairs = zip(reversed(one.split("/")[:-1]), reversed(member.split("/")[:-1]), strict=False)
    return next((number for number, (first, second) in enumerate(pairs) if first != second), 99)


def macros(compiler: str, options: str) -> set[str] | None:
    """The features that a compiler has with some options; None where it does not take them."""
    words = [compiler, *split(options), "-dM", "-E", "-x", "c", os.devnull]
    try:
        finished = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return None
    found = (FEATURE.fullmatch(line) for line in finished.stdout.splitlines())
    names = {match[1] or match[2] for match in found if match}
    return None if finished.returncode else {name for name in names if not OTHERS.fullmatch(name)}


def features(compilers: dict[str, str], wanted: set[str]) -> dict[str, list[str]]:
    """The features that some options choose, beyond the architecture's baseline."""
    least: dict[str, set[str]] = {}
    found = {}
    for options, compiler in sorted(compilers.items()):
        if options in wanted and (defined := macros(compiler, options)) is not None:
            if compiler not in least:
                baseline = macros(compiler, BASELINES.get(os.uname().machine, ""))
                least[compiler] = (macros(compiler, "") or set()) if baseline is None else baseline
            found[options] = sorted(defined - least[compiler])
    return found


def unmatched(objects: Objects, globs: Iterable[str]) -> list[str]:
    """The globs that match the path of no source and no object."""
    paths = {path for made, parts in objects.made.items() for path in (made, *parts)}
    return [glob for glob in globs if not any(fnmatchcase(path, f"*/{glob}") for path in paths)]


def main(wheel: Path, output: Path, globs: Iterable[str] = ()) -> None:
    known: dict[str, Any] = {"made": {}, "linked": {}, "compilers": {}}
    with suppress(OSError, ValueError):
        known = json.loads(KNOWN.read_bytes())
    objects = Objects(**known)
    for call in read_calls(CALLS):
        objects.add(*call)
    if MARK.exists():
        KNOWN.write_text(json.dumps(vars(objects)), encoding="utf-8")
    with zipfile.ZipFile(wheel) as archive:
        found = objects.of_members(archive.namelist())
    wanted = {options for each in found.values() for options in each}
    report = {"objects": found, "features": features(objects.compilers, wanted)}
    report["unmatched"] = unmatched(objects, globs)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
