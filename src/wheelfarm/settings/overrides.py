"""What variables and options say over `[tool.wheelfarm]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import SettingsError, UsageError
from wheelfarm.settings.strict import parse, suggestion
from wheelfarm.settings.tables import LINUX_PLACES, FarmTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.errors import Collector, FarmError

PREFIX: Final = "WHEELFARM_"
OVERRIDABLE: Final = (
    "wheelhouse",
    "work",
    "stages",
    "cache",
    "index-url",
    "engine",
    "container-engine",
    "pythons",
    "place",
    "variant",
    "jobs",
    "memory",
    "time-limit",
    "offline",
    "remote",
    "release",
    "compiler-cache",
    "compiler-cache-size",
)
"""Keys of `[tool.wheelfarm]` that a variable or an option may override."""
_VARIABLES: Final = {PREFIX + key.upper().replace("-", "_"): key for key in OVERRIDABLE}
_IMAGE: Final = f"{PREFIX}IMAGE_"
_IMAGES: Final = {_IMAGE + place.upper(): place for place in LINUX_PLACES}


@dataclass(frozen=True)
class Said:
    """What a variable or an option says of a key."""

    key: str
    text: str
    origin: str
    error: type[FarmError]

    def value(self) -> object:
        """The text as the type that `[tool.wheelfarm]` has for that key.

        Raises:
            FarmError: of class `error`, naming the origin, for what that key cannot be.
        """
        value = self._typed()
        # Alone, so that the error names the one who said it.
        parse(FarmTable, {self.key: value}, where=self.origin, error=self.error)
        return value

    def _typed(self) -> object:
        text = self.text
        try:
            match self.key:
                case "pythons":
                    return [part.strip() for part in text.split(",") if part.strip()]
                case "jobs":
                    return self._jobs(int(text))
                case "time-limit":
                    return float(text)
                case "offline" | "remote" | "release" | "compiler-cache":
                    return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
                case _:
                    return text
        except (ValueError, KeyError) as problem:
            why = f"{self.key} is not of that kind"
            raise self.error(f"bad value {text!r}", where=self.origin, why=why) from problem

    def _jobs(self, number: int) -> int:
        """What was typed is meant: 0, which in pyproject.toml is one a core, is no number of processes."""
        if number < 1:
            raise self.error(
                f"bad value {self.text!r}",
                where=self.origin,
                why="a build runs on one processor at least",
                hint="leave it out for all of this machine's",
            )
        return number


def variables(environ: Mapping[str, str], problems: Collector) -> list[Said]:
    """What WHEELFARM_ variables say; those that nobody knows become problems."""
    said = []
    for variable, text in environ.items():
        if variable in _VARIABLES:
            said.append(Said(_VARIABLES[variable], text, variable, SettingsError))
        elif variable.startswith(PREFIX) and variable not in _IMAGES:
            known = _IMAGES if variable.startswith(_IMAGE) else _VARIABLES
            problems.add(SettingsError(f"unknown variable {variable}", hint=suggestion(variable, known)))
    return said


def options(texts: Mapping[str, str | None]) -> list[Said]:
    """What the command line says; there, one names Pythons with `--python`."""
    return [
        Said(key, text, "--python" if key == "pythons" else f"--{key}", UsageError)
        for key, text in texts.items()
        if text is not None
    ]


def images(environ: Mapping[str, str]) -> dict[str, str]:
    """The builder images that variables name, by the place they build for."""
    return {place: environ[variable] for variable, place in _IMAGES.items() if variable in environ}
