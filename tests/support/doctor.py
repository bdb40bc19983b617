"""Farms and machines that the checks of `doctor` look at."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from support.farm import make_farm
from wheelfarm.run.doctor.check import Setup
from wheelfarm.run.farm import Farm
from wheelfarm.system.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def write_programs(directory: Path, programs: Mapping[str, str]) -> Path:
    """A directory with shell scripts by name, in which no other program is."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, script in programs.items():
        (directory / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (directory / name).chmod(0o755)
    return directory


def make_setup(
    root: Path,
    recipes: Mapping[str, Table] | None = None,
    *,
    programs: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    table: Table | None = None,
    **settings: Any,
) -> Setup:
    """A farm that builds on the host; with `programs`, on a machine that has no others.

    Container engines among the programs are found there too. Settings come by keyword, or in a table where
    their keys are no names of Python.
    """
    path = str(write_programs(root / "bin", programs)) if programs is not None else os.environ["PATH"]
    said = {"pythons": [OWN], "engine": "host"} | settings | dict(table or {})
    farm = make_farm(
        root / "farm",
        recipes,
        settings={key: value for key, value in said.items() if value is not None},
        environ={"PATH": path} | dict(environ or {}),
    )
    return Setup(Farm(settings=farm), Machine({"PATH": path}) if programs is not None else None)
