"""PEP 517 config settings, and their form for each front end."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class ConfigSettings:
    """PEP 517 config settings: each key with one value or a list of them, in a fixed order."""

    items: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, mapping: Mapping[str, str | Iterable[str]]) -> Self:
        """From a table whose values are strings or lists."""
        return cls(
            tuple(
                (key, (value,) if isinstance(value, str) else tuple(value)) for key, value in mapping.items()
            )
        )

    def for_build(self) -> list[str]:
        """As arguments of pypa/build: a repeated key makes a list."""
        return [f"-C{key}={value}" for key, values in self.items for value in values]

    def for_pip(self) -> list[str]:
        """As arguments of pip, which since 23.1 makes a list of a repeated key too."""
        return [f"--config-settings={key}={value}" for key, values in self.items for value in values]

    def for_uv(self) -> list[str]:
        """As arguments of uv."""
        return [f"--config-setting={key}={value}" for key, values in self.items for value in values]

    def for_cibuildwheel(self) -> str:
        """As CIBW_CONFIG_SETTINGS: shell words, a repeated key a list item."""
        return " ".join(shlex.quote(f"{key}={value}") for key, values in self.items for value in values)
