"""Hands the recipe's version to backends that would compute it from a repository, which a source is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wheelfarm.errors import SourceError
from wheelfarm.recipes.backend_hook import VERSION_VARIABLES

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory

_WITHOUT: Final = "versioningit"


def version_variables(directory: BuildDirectory) -> dict[str, str]:
    """The variables with the recipe's version, for what the build requires."""
    names = _required(directory)
    return {
        each: directory.build.recipe.table.version
        for name, each in VERSION_VARIABLES.items()
        if name in names
    }


def check_version_source(directory: BuildDirectory) -> None:
    """Refuse a source whose version only a repository could tell.

    Raises:
        SourceError: when versioningit computes it and the source has none.
    """
    project, name = directory.tree.project, directory.build.id.name
    path = project / "pyproject.toml"
    if _WITHOUT not in _required(directory) or (project / "PKG-INFO").is_file():
        return
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if "default-version" not in text:
        raise SourceError(
            f"the version of {name} is not in its source",
            where=f"{directory.tree.source.path.name}: {path.name}",
            why=f"{_WITHOUT} computes it from a git repository, and takes none from the environment",
            hint="add a patch that writes this line under [tool.versioningit]: "
            f'default-version = "{directory.build.recipe.table.version}"',
        )


def _required(directory: BuildDirectory) -> set[str]:
    return {str(each.name) for each in directory.build.requirements}
