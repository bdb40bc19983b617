"""The BLAS provider of a build: libraries, headers and pkg-config files below `provider/`.

scipy-openblas32 is a wheel, which is unpacked here. netlib comes from the system: `inside/netlib.py` copies
it where the build runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.errors import ProviderError
from wheelfarm.model import FetchedSource, Platform
from wheelfarm.recipes.farm_settings import Provider
from wheelfarm.sources.unpacking import unpack

if TYPE_CHECKING:
    from pathlib import Path, PurePath

    from wheelfarm.model import PinnedWheel, Target

DIRECTORY: Final = "provider"
_IN_DIRECTORY: Final = frozenset({Provider.SCIPY_OPENBLAS32, Provider.NETLIB})
"""Those with files in the build directory: compilers find Accelerate by themselves."""

# Without the -rpath of the original: the repair tool puts the library beside the extension modules.
_PKG_CONFIG: Final = """\
prefix={prefix}
libdir=${{prefix}}/lib
includedir=${{prefix}}/include
Name: scipy-openblas
Description: OpenBLAS, as the wheels on the public index have it
Version: {version}
Libs: -L${{libdir}} -lscipy_openblas
Cflags: -I${{includedir}} -DBLAS_SYMBOL_PREFIX=scipy_
"""


def unpack_openblas(directory: Path, wheel: PinnedWheel, *, inside: PurePath, target: Target) -> None:
    """Unpack the provider's wheel into the build directory.

    Args:
        directory: the build directory.
        wheel: scipy-openblas32, verified.
        inside: the same directory as the build sees it.
        target: what is built: library names differ on Windows.

    Raises:
        ProviderError: when the wheel does not hold what it should.
    """
    archive = FetchedSource(name=wheel.name, version=wheel.version, path=wheel.path, sha256=wheel.sha256)
    unpacked = unpack(archive, directory / "provider-wheel") / "scipy_openblas32"
    provider = directory / DIRECTORY
    if not (unpacked / "lib").is_dir():
        raise ProviderError(f"{wheel.path.name} holds no scipy_openblas32/lib", where=str(wheel.path))
    provider.mkdir()
    for part in ("lib", "include"):
        (unpacked / part).rename(provider / part)
    prefix = (inside / DIRECTORY).as_posix()
    text = _PKG_CONFIG.format(prefix=prefix, version=wheel.version)
    if target.platform is Platform.WINDOWS:
        names = [path.stem for path in (provider / "lib").glob("*.lib")]
        if len(names) != 1:
            raise ProviderError(
                f"{wheel.path.name} holds {len(names)} import libraries", where=str(wheel.path)
            )
        text = text.replace("-lscipy_openblas", f"-l{names[0]}")
    (provider / "pkgconfig").mkdir()
    (provider / "pkgconfig" / "scipy-openblas.pc").write_text(text, encoding="utf-8")


def provider_environment(provider: Provider, *, inside: PurePath) -> dict[str, str]:
    """The variables by which a build finds the provider."""
    if provider not in _IN_DIRECTORY:
        return {}
    return {"PKG_CONFIG_PATH": (inside / DIRECTORY / "pkgconfig").as_posix()}


def library_path(provider: Provider, *, inside: PurePath) -> str | None:
    """The directory where the repair tool finds the provider's libraries; None without one."""
    return None if provider not in _IN_DIRECTORY else (inside / DIRECTORY / "lib").as_posix()
