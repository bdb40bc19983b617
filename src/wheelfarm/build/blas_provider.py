"""What supplies BLAS and LAPACK in a stage: libraries, headers and pkg-config files below `provider/`.

scipy-openblas32 comes as a wheel and is unpacked here; netlib comes from the system, and a script that runs
where the build runs puts it there.
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
_LAID: Final = frozenset({Provider.SCIPY_OPENBLAS32, Provider.NETLIB})
"""Those that stand in the stage: of Accelerate the system has everything, and a compiler finds it."""

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


def lay_openblas(stage: Path, wheel: PinnedWheel, *, inside: PurePath, target: Target) -> None:
    """Unpack the provider's wheel into the stage.

    Args:
        stage: the stage's directory here.
        wheel: scipy-openblas32, verified.
        inside: the stage's directory as the build sees it.
        target: what is built; Windows names its libraries otherwise.

    Raises:
        ProviderError: when the wheel does not hold what it should.
    """
    archive = FetchedSource(name=wheel.name, version=wheel.version, path=wheel.path, sha256=wheel.sha256)
    unpacked = unpack(archive, stage / "provider-wheel") / "scipy_openblas32"
    provider = stage / DIRECTORY
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
    """What the build must be told to find the provider."""
    if provider not in _LAID:
        return {}
    return {"PKG_CONFIG_PATH": (inside / DIRECTORY / "pkgconfig").as_posix()}


def library_path(provider: Provider, *, inside: PurePath) -> str | None:
    """Where the repair tool finds the provider's libraries."""
    return None if provider not in _LAID else (inside / DIRECTORY / "lib").as_posix()
