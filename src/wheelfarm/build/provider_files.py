"""Writes the files of a BLAS provider that is wheels into the build directory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import ProviderError, counted
from wheelfarm.model import FetchedSource, Platform
from wheelfarm.recipes.providers import Provider
from wheelfarm.sources.unpacking import unpack
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.model import Limits, PinnedWheel

# Without the -rpath of the original: the repair tool puts the library beside the extension modules.
_PKG_CONFIG: Final = """\
prefix={prefix}
libdir=${{prefix}}/lib
includedir=${{prefix}}/include
Name: scipy-openblas
Description: OpenBLAS, as the wheels on the public index have it
Version: {version}
Libs: -L${{libdir}} -l{library}
Cflags: -I${{includedir}} -DBLAS_SYMBOL_PREFIX=scipy_{flags}
"""


@dataclass(frozen=True)
class _OpenBlas:
    """A distribution of OpenBLAS: its package, its library, and further flags for its symbols."""

    package: str
    library: str
    flags: str = ""


OPENBLAS: Final[Mapping[Provider, _OpenBlas]] = {
    Provider.SCIPY_OPENBLAS32: _OpenBlas("scipy_openblas32", "scipy_openblas"),
    Provider.SCIPY_OPENBLAS64: _OpenBlas(
        "scipy_openblas64",
        "scipy_openblas64_",
        " -DBLAS_SYMBOL_SUFFIX=64_ -DHAVE_BLAS_ILP64 -DOPENBLAS_ILP64_NAMING_SCHEME",
    ),
}
PLAIN_NAMES: Final = frozenset({Provider.SCIPY_OPENBLAS32})
"""Those that get an archive of the usual names of BLAS and LAPACK, which stand for 32 bit integers."""
_MKL_FILE: Final = re.compile(
    r"[^/]+\.data/data/(?:lib/(?P<pkgconfig>pkgconfig/mkl-sdl\.pc)|(?P<other>lib/libmkl_rt\.so\.\d+|include/.+))"
)
_PREFIX: Final = "prefix=${pcfiledir}/../.."


def unpack_pinned(wheel: PinnedWheel, into: Path, limits: Limits) -> Path:
    """Unpack a wheel into a new directory."""
    source = FetchedSource(name=wheel.name, version=wheel.version, path=wheel.path, sha256=wheel.sha256)
    return unpack(source, into, limits)


def write_provider(directory: BuildDirectory) -> None:
    """Write libraries, headers and pkg-config file of a provider that is wheels; nothing for others.

    Raises:
        ProviderError: when a wheel is not what it should be.
    """
    provider = directory.provider
    if provider in OPENBLAS:
        _write_openblas(directory, OPENBLAS[provider])
    elif provider is Provider.MKL:
        _write_mkl(directory.root / "provider", directory.provider_wheels)


def _write_openblas(directory: BuildDirectory, names: _OpenBlas) -> None:
    (wheel,) = directory.provider_wheels
    unpacked = unpack_pinned(wheel, directory.root / "provider-wheel", directory.limits) / names.package
    if not (unpacked / "lib").is_dir():
        raise ProviderError(f"{wheel.path.name} holds no {names.package}/lib", where=str(wheel.path))
    provider, library = directory.root / "provider", names.library
    (provider / "pkgconfig").mkdir(parents=True)
    for part in ("lib", "include"):
        (unpacked / part).rename(provider / part)
    if directory.build.id.target.platform is Platform.WINDOWS:
        found = [path.stem for path in (provider / "lib").glob("*.lib")]
        if len(found) != 1:
            what = f"{wheel.path.name} holds {counted(len(found), 'import library', 'import libraries')}"
            raise ProviderError(what, where=str(wheel.path))
        library = found[0]
    prefix = (directory.inside / "provider").as_posix()
    text = _PKG_CONFIG.format(prefix=prefix, version=wheel.version, library=library, flags=names.flags)
    (provider / "pkgconfig" / "scipy-openblas.pc").write_text(text, encoding="utf-8")


def _write_mkl(provider: Path, wheels: tuple[PinnedWheel, ...]) -> None:
    """Write what is linked against: the library that loads the others, which stay with the wheel `mkl`."""
    for wheel in wheels:
        opened = open_wheel(wheel.path)
        for name in opened.names:
            if found := _MKL_FILE.fullmatch(name):
                path = provider / (found["pkgconfig"] or found["other"])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(opened.read(name))
    config = provider / "pkgconfig" / "mkl-sdl.pc"
    for path, name in (
        (config, "mkl-devel"),
        (provider / "lib", "mkl"),
        (provider / "include", "mkl-include"),
    ):
        if not path.exists():
            (wheel,) = (each for each in wheels if each.name == name)
            what = f"{wheel.path.name} holds no {path.relative_to(provider)} of MKL"
            raise ProviderError(what, where=str(wheel.path))
    text = config.read_text(encoding="utf-8")
    if _PREFIX not in text:
        raise ProviderError("mkl-sdl.pc has no relative prefix", where=str(config), why=f"no {_PREFIX}")
    config.write_text(text.replace(_PREFIX, "prefix=${pcfiledir}/.."), encoding="utf-8")
