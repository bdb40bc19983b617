"""Runs where the repair tool ran, after it: maps each vendored library to the system package it comes from.

The repair tools name a copy after the original file and, but for delocate, the beginning of its sha256. By
that the original is found, and by dpkg, rpm, apk, Homebrew or vcpkg its package.
Uses the standard library only, since it runs with the target's interpreter.

Usage: library_provenance.py WHEEL-DIRECTORY OUTPUT [LIBRARY-DIRECTORY…] [-- SYSTEM-PACKAGE…]
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Where auditwheel and delvewheel, and delocate, put libraries.
VENDORED = re.compile(r"(?:^|/)(?:[^/]*\.libs|\.dylibs)/([^/]+)$")
# A name with the beginning of a sha256: 8 digits (auditwheel) or 32 (delvewheel).
MANGLED = re.compile(r"(.+)-([0-9a-f]{8}|[0-9a-f]{32})(\..+)")
DELVEWHEEL_DIGITS = 32
# Where libraries are on systems without ldconfig.
LIBRARY_DIRECTORIES = (
    *("usr/local/lib", "usr/local/lib64", "usr/lib", "usr/lib64", "lib", "lib64"),
    *("opt/homebrew/lib", "opt/homebrew/opt/*/lib", "opt/homebrew/opt/gcc/lib/gcc/*"),
    *("usr/local/opt/*/lib", "usr/local/opt/gcc/lib/gcc/*"),
)
MANAGERS = {"deb": "dpkg", "rpm": "rpm", "apk": "apk"}
CELLAR = re.compile(r"(.*/Cellar/([^/]+)/([^/]+))/")
VCPKG = re.compile(r"(.*/installed)/([^/]+)/(?:debug/)?(?:bin|lib)/[^/]+")
LICENSES = re.compile(r"(?:LICEN[CS]E|COPYING|COPYRIGHT|NOTICE)[^/]*", re.IGNORECASE)
Package = dict[str, object]


def output(*words: str) -> str:
    """The output of a program; nothing when it is missing or fails."""
    program = shutil.which(words[0], path=os.environ.get("PATH", os.defpath) + os.pathsep + "/sbin:/usr/sbin")
    if program is None:
        return ""
    finished = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
    return finished.stdout if finished.returncode == 0 else ""


def library_directories(given: Iterable[str], root: Path) -> Iterator[Path]:
    """Where the repair tool may have found a library, the most likely directory first."""
    yield from map(Path, given)
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH"):
        yield from (Path(part) for part in os.environ.get(name, "").split(os.pathsep) if part)
    listed = re.findall(r" => (/.+)", output("ldconfig", "-p")) if root == Path("/") else []
    yield from dict.fromkeys(Path(path).parent for path in listed)
    for pattern in LIBRARY_DIRECTORIES:
        yield from sorted(root.glob(pattern))


def find_original(name: str, directories: Iterable[Path]) -> Path | None:
    """The file that a vendored library is a copy of: of that content, or at least of that name."""
    mangled = MANGLED.fullmatch(name)
    plain, beginning = (mangled[1] + mangled[3], mangled[2]) if mangled else (name, "")
    named = [path for directory in directories if (path := directory / plain).is_file()]
    same = (path for path in named if hashlib.sha256(path.read_bytes()).hexdigest().startswith(beginning))
    # delvewheel's digest is of more than the file where one library needs another.
    likely = named[0] if named and len(beginning) == DELVEWHEEL_DIGITS else None
    return next(same, likely)


def text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def texts(paths: Iterable[Path]) -> dict[str, str]:
    """License texts by directory and name; links are resolved, since packages share texts."""
    files = sorted({path.resolve() for path in paths if path.is_file()})
    return {f"{path.parent.name}/{path.name}": text(path) for path in files}


def describe_package(
    kind: str,
    name: str,
    version: str,
    found: dict[str, str],
    *,
    license_: str | None = None,
    source: str = "",
) -> Package:
    package: Package = {"kind": kind, "name": name, "version": version, "texts": found}
    if source:
        package["source"] = source
    return package if license_ is None else {**package, "license": license_}


def dpkg(path: str, root: Path) -> Package | None:
    name, colon, _ = output("dpkg", "-S", path).partition(": ")
    if not colon:
        return None
    name = name.split(",")[0]
    version = output("dpkg-query", "-W", "-f=${Version}", name)
    source = output("dpkg-query", "-W", "-f=${source:Package}", name)
    name = name.partition(":")[0]
    return describe_package("deb", name, version, texts(copyright_of(name, root)), source=source)


def copyright_of(name: str, root: Path) -> list[Path]:
    """The copyright file of a Debian package, or of one of the same source that it depends on.

    The first is often a link to the second (Debian Policy 12.5), and slim images leave such links out.
    """
    query = ("dpkg-query", "-W", "-f=${source:Package}\\n${Depends}\\n")
    source, depends = (output(*query, name) + "\n\n").split("\n")[:2]
    needed = re.findall(r"(?:^|, )([a-z0-9][a-z0-9+.-]+)", depends)
    same = (each for each in needed if output(*query, each).startswith(f"{source}\n"))
    paths = (root / "usr/share/doc" / package / "copyright" for package in chain([name], same))
    return next(([path] for path in paths if path.is_file()), [])


def rpm(path: str, root: Path) -> Package | None:
    fields = "%{NAME}\\n%{VERSION}-%{RELEASE}\\n%{LICENSE}\\n%{SOURCERPM}\\n"
    words = output("rpm", "-qf", "--queryformat", fields, path).splitlines()
    if len(words) < fields.count("\\n"):
        return None
    name, version, license_, file = words[:4]
    source = re.fullmatch(r"(.+)-[^-]+-[^-]+\.(?:no)?src\.rpm", file)
    files = output("rpm", "-q", "--licensefiles", name).splitlines()
    found = texts(root / file.lstrip("/") for file in files)
    return describe_package(
        "rpm", name, version, found, license_=license_, source=source[1] if source else ""
    )


def apk(path: str, root: Path) -> Package | None:
    answer = output("apk", "info", "--who-owns", path)
    match = re.search(r" is owned by (\S+)-([^\s-]+-r\d+)$", answer, re.MULTILINE)
    if not match:
        return None
    name, version = match.groups()
    license_ = "".join(output("apk", "info", "--license", name).splitlines()[1:2]).strip()
    found = texts((root / "usr/share/licenses" / name).glob("*"))
    # libssl3-3.3.2-r1 x86_64 {openssl} (Apache-2.0) [installed]
    listed = output("apk", "list", "--installed", name)
    origin = re.search(rf"^{re.escape(f'{name}-{version}')} \S+ {{(.+?)}} ", listed, re.MULTILINE)
    return describe_package(
        "apk", name, version, found, license_=license_, source=origin[1] if origin else ""
    )


def brew(path: Path) -> Package | None:
    match = CELLAR.match(path.as_posix())
    if match is None:
        return None
    keg, name, version = Path(match[1]), match[2], match[3]
    formula = keg / ".brew" / f"{name}.rb"
    license_ = re.search(r'^\s*license "(.+)"$', text(formula), re.MULTILINE) if formula.is_file() else None
    files = texts(each for each in keg.iterdir() if LICENSES.fullmatch(each.name))
    # The directory is named after the version.
    found = {f"{name}/{file.rpartition('/')[2]}": each for file, each in files.items()}
    return describe_package("brew", name, version, found, license_=license_[1] if license_ else "")


def vcpkg(path: Path) -> Package | None:
    match = VCPKG.fullmatch(path.as_posix())
    if match is None:
        return None
    installed, triplet = Path(match[1]), match[2]
    for each in sorted((installed / "vcpkg" / "info").glob(f"*_{triplet}.list")):
        if path.relative_to(installed).as_posix() in text(each).splitlines():
            name, version, _ = each.name.split("_", 2)
            found = texts([installed / triplet / "share" / name / "copyright"])
            return describe_package("vcpkg", name, version, found)
    return None


def original_of(path: Path) -> Path:
    """The file that a library of the provider's directory is a copy of; else the file itself."""
    copied = path.parent / "copied.json"
    return Path(json.loads(copied.read_bytes()).get(path.name, path)) if copied.is_file() else path


def development_package(path: Path, root: Path) -> str:
    """The system package of the link lib….so that a linker reads for a library; empty without one.

    The link has the name of the library, as libpq.so, or another, as libyaml.so for libyaml-0.so.2.
    """
    # dpkg lists the file below /usr, to which /lib is a link.
    directory, real = path.parent.resolve(), path.resolve()
    own = directory / re.sub(r"\.so[.\d]*$", ".so", path.name)
    for link in (own, *sorted(directory.glob("lib*.so"))):
        if link != path and link.is_symlink() and link.resolve() == real:
            found = package_of(link, root, follow=False)
            if found:
                return str(found["name"])
    return ""


def packages_with_dependencies(names: Iterable[str]) -> set[str]:
    """The packages, and what dpkg has installed because they depend on it; of rpm the packages alone."""
    depends: dict[str, set[str]] = {}
    listing = output("dpkg-query", "-W", "-f=${Package}|${Provides}|${Depends}, ${Pre-Depends}\\n")
    for line in listing.splitlines():
        name, provides, needed = line.split("|", 2)
        words = set(re.findall(r"(?:^|[,|]) *([a-z0-9][a-z0-9+.-]+)", needed))
        for each in (name, *re.findall(r"(?:^|,) *([a-z0-9][a-z0-9+.-]+)", provides)):
            depends[each] = depends.get(each, set()) | words | {name}
    found: set[str] = set()
    waiting = [name.partition("=")[0] for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += depends.get(name, ())
    return found


def package_of(path: Path, root: Path, *, follow: bool = True) -> Package | None:
    """The system package that a file comes from; None when it is unknown."""
    path = original_of(path)
    real = path.resolve() if follow else path
    # On a merged /usr dpkg may list either name, and the link or its target.
    names = [each.as_posix() for each in (real, path)]
    names += [name.removeprefix("/usr") for name in names if name.startswith("/usr/lib")]
    found = (query(name, root) for query in (dpkg, rpm, apk) for name in names)
    return brew(real) or vcpkg(real) or next(filter(None, found), None)


def distribution(root: Path, field: str = "ID") -> str:
    """The ID of a Linux distribution, or another field of it (os-release(5)); nothing elsewhere."""
    release = root / "etc/os-release"
    match = re.search(rf'^{field}="?([^"\n]+)', text(release), re.MULTILINE) if release.is_file() else None
    return match[1] if match else ""


def directly_needed(wheels: Iterable[Path], vendored: dict[str, str]) -> list[str]:
    """The vendored libraries whose names are in a binary that is not vendored itself."""
    needed = set()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name not in vendored and re.search(r"\.(?:so|pyd|dylib|dll)\b", name):
                    data = archive.read(name)
                    needed |= {member for member, file in vendored.items() if file.encode() in data}
    return sorted(needed)


def main(wheels: Path, target: Path, given: list[str], root: Path, named: Iterable[str] = ()) -> None:
    names = [name for wheel in wheels.glob("*.whl") for name in zipfile.ZipFile(wheel).namelist()]
    vendored = {name: match[1] for name in names if (match := VENDORED.search(name))}
    directories = list(dict.fromkeys(library_directories(given, root))) if vendored else []
    packages = {}
    for member, name in sorted(vendored.items()):
        path = find_original(name, directories)
        package = packages[member] = path and package_of(path, root)
        if path and package and (development := development_package(original_of(path), root)):
            package["development"] = development
    kind = next((kind for kind, program in MANAGERS.items() if shutil.which(program)), "")
    document = {
        # What `strip_libraries.py` wrote.
        **(json.loads(target.read_bytes()) if target.is_file() else {}),
        "kind": kind,
        "distribution": distribution(root),
        "release": distribution(root, "VERSION_ID"),
        "packages": packages,
        "direct": directly_needed(wheels.glob("*.whl"), vendored),
        "named": sorted(packages_with_dependencies(named)) if vendored else [],
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:end], Path("/"), sys.argv[end + 1 :])
