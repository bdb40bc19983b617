"""Runs in a build directory, after the backend: reports what the build environment really contains.

Uses the standard library only, since it runs with the target's interpreter; with -S, so that no file of the
environment is executed.

Usage: environment_report.py ENVIRONMENT WHEEL OUTPUT [SYSTEM-PACKAGE…]; - is this interpreter's environment
or: environment_report.py OUTPUT, which replaces the distributions in OUTPUT, that a container has written, by
those in a tar archive of its directory of packages, from standard input
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import BytesHeaderParser
from importlib.metadata import distributions
from pathlib import Path
from typing import BinaryIO

METADATA = (".dist-info/METADATA", ".dist-info/RECORD", ".egg-info/PKG-INFO")
CHECKS = ("meson-private/", "CMakeFiles/", "/conftest", "/configtest")
HITS = frozenset({"direct_cache_hit", "preprocessed_cache_hit"})
NO_COMPILES = frozenset(
    {
        *("called_for_link", "called_for_preprocessing", "no_input_file", "autoconf_test"),
        *("compile_failed", "preprocessor_error", "could_not_find_compiler"),
    }
)
"""What ccache logs for calls that compile nothing, or that it passes on unchanged."""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def members(wheel: Path) -> dict[str, str]:
    """The digest of each file of the built wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [info for info in archive.infolist() if not info.is_dir()]
        return {info.filename: hashlib.sha256(archive.read(info)).hexdigest() for info in names}


def packages_of(prefix: Path) -> list[str]:
    """The directories of the packages of an environment."""
    scheme, base = "nt" if os.name == "nt" else "posix_prefix", {"base": str(prefix), "platbase": str(prefix)}
    return list(dict.fromkeys(sysconfig.get_path(kind, scheme, base) for kind in ("purelib", "platlib")))


def installed(directories: list[str]) -> list[dict[str, object]]:
    """Each installed distribution with the digests of its files, read from disk rather than from RECORD."""
    found: list[dict[str, object]] = []
    tops = tuple(f"{os.path.realpath(each)}{os.sep}" for each in directories)
    for distribution in distributions(path=directories):
        files = {}
        for entry in distribution.files or ():
            path = Path(str(distribution.locate_file(entry)))
            inside = os.path.realpath(path).startswith(tops)  # a link may lead elsewhere
            if entry.hash is not None and entry.parts[0] != ".." and inside and path.is_file():
                files[entry.as_posix()] = digest(path)
        found.append({"name": distribution.metadata["Name"], "version": distribution.version, "files": files})
    return sorted(found, key=lambda each: str(each["name"]).lower())


def archived(stream: BinaryIO) -> list[dict[str, object]]:
    """The same for a tar archive of one directory of packages, whose name comes first in all its names."""
    digests: dict[str, str] = {}
    texts: dict[str, bytes] = {}
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = member.name.partition("/")[2]
            file = archive.extractfile(member) if member.isreg() else None
            if file is not None:
                data = file.read()
                digests[path] = hashlib.sha256(data).hexdigest()
                if path.count("/") == 1 and path.endswith(METADATA):
                    texts[path] = data
            elif member.islnk() and (linked := member.linkname.partition("/")[2]) in digests:
                digests[path] = digests[linked]
    found: list[dict[str, object]] = []
    for path, text in texts.items():
        directory, _, name = path.rpartition("/")
        if name != "RECORD":
            message = BytesHeaderParser().parsebytes(text)
            record = texts.get(f"{directory}/RECORD", b"").decode("utf-8", "replace")
            rows = (row for row in csv.reader(io.StringIO(record, newline="")) if len(row) > 1 and row[1])
            files = {row[0]: digests[row[0]] for row in rows if row[0] in digests}
            named = {key.lower(): str(message[key]) for key in ("Name", "Version")}
            found.append({**named, "files": files})
    return sorted(found, key=lambda each: str(each["name"]).lower())


def compilers() -> dict[str, str]:
    """The version line of each compiler: of its variable, or of its usual name."""
    programs = {"c": ("CC", "cc"), "c++": ("CXX", "c++"), "fortran": ("FC", "gfortran")}
    found = {}
    for language, (variable, usual) in programs.items():
        words = [*os.environ.get(variable, usual).split(), "--version"]
        if shutil.which(words[0]):
            lines = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()
            found[language] = lines[0].strip() if lines else ""
    return found


def packages(names: list[str]) -> dict[str, str]:
    queries = {
        "dpkg-query": ["-W", "-f=${Package} ${Version}\\n"],
        "rpm": ["-q", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\\n"],
    }
    program = next((each for each in queries if shutil.which(each)), None)
    if not program or not names:
        return {}
    words = [program, *queries[program], *(name.partition("=")[0] for name in names)]
    lines = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()
    return dict(line.split() for line in lines if len(line.split()) == 2)  # noqa: PLR2004


def cache_use(log: Path) -> dict[str, object] | None:
    """Hits and misses according to ccache; None where it was not used."""
    if not log.exists():
        return None
    hits, missed = 0, []
    # One block a call: "# source", then what came of it, a line each.
    for block in ("\n" + log.read_text(encoding="utf-8", errors="replace")).split("\n# ")[1:]:
        source, *events = block.split("\n")
        # A configure check is no part of the build.
        if not any(events) or any(part in source for part in CHECKS) or NO_COMPILES.intersection(events):
            continue
        if HITS.intersection(events):
            hits += 1
        else:
            missed.append(source)
    return {"hits": hits, "misses": len(missed), "missed": missed[:5]}


def install_plan(build: Path) -> dict[str, str]:
    """Meson's install tag of each file and directory by destination, empty where it has none."""
    try:
        plan = json.loads((build / "meson-info" / "intro-install_plan.json").read_bytes())
    except OSError:
        return {}
    entries = (entry for kind in plan.values() for entry in kind.values())
    return {entry["destination"]: entry.get("tag") or "" for entry in entries}


def subprojects(build: Path) -> dict[str, str]:
    """The subprojects that Meson has configured, each with its version, empty where it has none."""
    try:
        project = json.loads((build / "meson-info" / "intro-projectinfo.json").read_bytes())
    except OSError:
        return {}
    found = {each["name"]: each["version"] for each in project.get("subprojects", ())}
    return {name: "" if version == "undefined" else version for name, version in found.items()}


def refused(calls: Path) -> dict[str, str]:
    """The programs that programs.py has refused, each with its file; the build may write what it likes."""
    lines = calls.read_text(encoding="utf-8", errors="replace").splitlines() if calls.is_file() else []
    return dict(line.split(" ", 1) for line in lines if " " in line and line.isprintable())


def main(prefix: Path, wheel: Path, output: Path, names: list[str]) -> None:
    report = {
        "python": sys.version,
        "wheels": sorted(path.name for path in wheel.parent.glob("*.whl")),
        "built": {"filename": wheel.name, "sha256": digest(wheel), "members": members(wheel)},
        "compilers": compilers(),
        "packages": packages(names),
        "compiler-cache": cache_use(Path("tmp", "ccache.log")),
        "build-cache": Path("build-cache-used").exists(),
        "refused": refused(Path("tmp", "refused-programs.txt")),
        "install-plan": install_plan(Path("build")),
        "subprojects": subprojects(Path("build")),
        "distributions": installed(packages_of(prefix)),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report), encoding="utf-8")


def correct(output: Path) -> None:
    """Replace the distributions of a report."""
    report = json.loads(output.read_bytes()) | {"distributions": archived(sys.stdin.buffer)}
    output.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 2:  # noqa: PLR2004
        correct(Path(sys.argv[1]))
    else:
        own = Path(sys.executable).parents[1]
        prefix = own if sys.argv[1] == "-" else Path(sys.argv[1])
        main(prefix, Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
