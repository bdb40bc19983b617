"""Runs where the repair tool ran, after it: tells which package owns each library that it put into the wheel.

The repair tools name what they copy after the file and, but for delocate, its sha256. So the file is found
again, and whoever keeps the books there is asked: dpkg, rpm, apk, Homebrew, vcpkg.
Uses the standard library only, since it runs with the target's interpreter.

Usage: library_provenance.py WHEEL-DIRECTORY OUTPUT [LIBRARY-DIRECTORY…]
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

VENDORED = re.compile(r"(?:^|/)(?:[^/]*\.libs|\.dylibs)/([^/]+)$")
"""Where auditwheel and delvewheel, and delocate, put libraries."""
MANGLED = re.compile(r"(.+)-([0-9a-f]{8}|[0-9a-f]{32})(\..+)")
"""A name with the beginning of a sha256 in it: 8 digits (auditwheel) or 32 (delvewheel)."""
LONG = 32
PLACES = (
    *("usr/local/lib", "usr/local/lib64", "usr/lib", "usr/lib64", "lib", "lib64"),
    *("opt/homebrew/lib", "opt/homebrew/opt/*/lib", "opt/homebrew/opt/gcc/lib/gcc/*"),
    *("usr/local/opt/*/lib", "usr/local/opt/gcc/lib/gcc/*"),
)
"""Directories with libraries, where no loader lists them."""
CELLAR = re.compile(r"(.*/Cellar/([^/]+)/([^/]+))/")
VCPKG = re.compile(r"(.*/installed)/([^/]+)/(?:debug/)?(?:bin|lib)/[^/]+")
LICENCES = re.compile(r"(?:LICEN[CS]E|COPYING|COPYRIGHT|NOTICE)[^/]*", re.IGNORECASE)
Owner = dict[str, object]


def said(*words: str) -> str:
    """What a program says; nothing where it is missing or fails."""
    program = shutil.which(words[0], path=os.environ.get("PATH", os.defpath) + os.pathsep + "/sbin:/usr/sbin")
    if program is None:
        return ""
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def directories(given: Iterable[str], root: Path) -> Iterator[Path]:
    """Where the repair tool may have found a library, the most likely first."""
    yield from map(Path, given)
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH"):
        yield from (Path(part) for part in os.environ.get(name, "").split(os.pathsep) if part)
    listed = re.findall(r" => (/.+)", said("ldconfig", "-p")) if root == Path("/") else []
    yield from dict.fromkeys(Path(path).parent for path in listed)
    for pattern in PLACES:
        yield from sorted(root.glob(pattern))


def original(name: str, places: Iterable[Path]) -> Path | None:
    """The file that a vendored library was copied from: of that content, or at least of that name."""
    mangled = MANGLED.fullmatch(name)
    plain, beginning = (mangled[1] + mangled[3], mangled[2]) if mangled else (name, "")
    named = [path for place in places if (path := place / plain).is_file()]
    same = (path for path in named if hashlib.sha256(path.read_bytes()).hexdigest().startswith(beginning))
    # delvewheel's digest is of more than the file where one library needs another.
    likely = named[0] if named and len(beginning) == LONG else None
    return next(same, likely)


def text(path: Path) -> str:
    """The text of a file, whatever its encoding."""
    return path.read_bytes().decode("utf-8", "replace")


def texts(paths: Iterable[Path]) -> dict[str, str]:
    """Licence texts by the directory and the name that they really have, which several packages may share."""
    files = sorted({path.resolve() for path in paths if path.is_file()})
    return {f"{path.parent.name}/{path.name}": text(path) for path in files}


def dpkg(paths: list[str], root: Path) -> Owner | None:
    """The owner in Debian's books."""
    for path in paths:
        name, colon, _ = said("dpkg", "-S", path).partition(": ")
        if colon:
            name = name.split(",")[0]
            version = said("dpkg-query", "-W", "-f=${Version}", name)
            name = name.partition(":")[0]
            return {"kind": "deb", "name": name, "version": version, "texts": texts(copyright_of(name, root))}
    return None


def copyright_of(name: str, root: Path) -> list[Path]:
    """The copyright file of a Debian package: its own, or that of one of the same source that it needs.

    The first is often a link to the second (Debian Policy 12.5), and slim images leave such links out.
    """
    form = "${source:Package}\\n${Depends}\\n"
    source, depends = (said("dpkg-query", "-W", f"-f={form}", name) + "\n\n").split("\n")[:2]
    needed = re.findall(r"(?:^|, )([a-z0-9][a-z0-9+.-]+)", depends)
    same = (each for each in needed if said("dpkg-query", "-W", f"-f={form}", each).startswith(f"{source}\n"))
    for package in chain([name], same):
        path = root / "usr/share/doc" / package / "copyright"
        if path.is_file():
            return [path]
    return []


def rpm(paths: list[str], root: Path) -> Owner | None:
    """The owner in rpm's books."""
    for path in paths:
        form = "%{NAME}\\n%{VERSION}-%{RELEASE}\\n%{LICENSE}\\n"
        words = said("rpm", "-qf", "--queryformat", form, path).splitlines()
        if len(words) >= 3:  # noqa: PLR2004 - as many as the form has
            files = said("rpm", "-q", "--licensefiles", words[0]).splitlines()
            licences = texts(root / file.lstrip("/") for file in files)
            return {
                "kind": "rpm",
                "name": words[0],
                "version": words[1],
                "licence": words[2],
                "texts": licences,
            }
    return None


def apk(paths: list[str], root: Path) -> Owner | None:
    """The owner in Alpine's books."""
    for path in paths:
        match = re.search(
            r" is owned by (\S+)-([^\s-]+-r\d+)$", said("apk", "info", "--who-owns", path), re.MULTILINE
        )
        if match:
            licence = said("apk", "info", "--license", match[1]).splitlines()[1:2]
            licences = texts(sorted((root / "usr/share/licenses" / match[1]).glob("*")))
            words = {"licence": licence[0].strip() if licence else "", "texts": licences}
            return {"kind": "apk", "name": match[1], "version": match[2], **words}
    return None


def brew(path: Path) -> Owner | None:
    """The formula whose keg a file lies in."""
    match = CELLAR.match(path.as_posix())
    if match is None:
        return None
    keg = Path(match[1])
    formula = keg / ".brew" / f"{match[2]}.rb"
    licence = re.search(r'^\s*license "(.+)"$', text(formula), re.MULTILINE) if formula.is_file() else None
    files = texts(each for each in keg.iterdir() if LICENCES.fullmatch(each.name))
    named = {f"{match[2]}/{name.rpartition('/')[2]}": each for name, each in files.items()}
    words = {"licence": licence[1] if licence else "", "texts": named}
    return {"kind": "brew", "name": match[2], "version": match[3], **words}


def vcpkg(path: Path) -> Owner | None:
    """The port that installed a file, as vcpkg's lists tell."""
    match = VCPKG.fullmatch(path.as_posix())
    if match is None:
        return None
    installed, triplet = Path(match[1]), match[2]
    for each in sorted((installed / "vcpkg" / "info").glob(f"*_{triplet}.list")):
        if path.relative_to(installed).as_posix() in text(each).splitlines():
            name, version, _ = each.name.split("_", 2)
            licences = texts([installed / triplet / "share" / name / "copyright"])
            return {"kind": "vcpkg", "name": name, "version": version, "texts": licences}
    return None


def owner(path: Path, root: Path) -> Owner | None:
    """Who owns a file; None where nobody says so."""
    copied = path.parent / "copied.json"
    if copied.is_file():
        path = Path(json.loads(copied.read_bytes()).get(path.name, path))
    real = path.resolve()
    # On a merged /usr the books may have either name (dpkg), and the link or what it leads to.
    names = [each.as_posix() for each in (real, path)]
    names += [name.removeprefix("/usr") for name in names if name.startswith("/usr/lib")]
    return brew(real) or vcpkg(real) or dpkg(names, root) or rpm(names, root) or apk(names, root)


def distribution(root: Path) -> str:
    """What a Linux distribution calls itself; nothing elsewhere."""
    release = root / "etc/os-release"
    match = re.search(r'^ID="?([^"\n]+)', text(release), re.MULTILINE) if release.is_file() else None
    return match[1] if match else ""


def main(wheels: Path, output: Path, given: list[str], root: Path) -> None:
    """Write who owns each vendored library as JSON."""
    names = [name for wheel in wheels.glob("*.whl") for name in zipfile.ZipFile(wheel).namelist()]
    vendored = {name: match[1] for name in names if (match := VENDORED.search(name))}
    places = list(dict.fromkeys(directories(given, root))) if vendored else []
    owners = {}
    for member, name in sorted(vendored.items()):
        path = original(name, places)
        owners[member] = path and owner(path, root)
    manager = next((kind for kind, program in KINDS.items() if shutil.which(program)), "")
    system = {"kind": manager, "distribution": distribution(root)}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"system": system, "owners": owners}), encoding="utf-8")


KINDS = {"deb": "dpkg", "rpm": "rpm", "apk": "apk"}
"""Kinds of the system's packages, and the program that tells."""

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:], Path("/"))
