"""Reads configurations as cibuildwheel itself does; run as a program, since it is one.

Each line of the input is JSON: a rendered file, a platform and a build identifier. Each line of the output is
what cibuildwheel makes of it: the environment, and the arguments and settings that the frontend gets.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from cibuildwheel.frontend import (
    get_build_frontend_extra_flags,
    parse_config_settings,
    prepare_config_settings,
)
from cibuildwheel.options import CommandLineArguments, Options
from cibuildwheel.platforms import ALL_PLATFORM_MODULES, get_build_identifiers


def _refuse(command: list[str], _env: object) -> NoReturn:
    raise AssertionError(f"a value was run as a command: {command}")


def read(question: dict[str, str], directory: Path) -> dict[str, Any]:
    """What cibuildwheel makes of a configuration."""
    config = directory / "cibuildwheel.toml"
    config.write_bytes(question["config"].encode())
    words = replace(
        CommandLineArguments.defaults(),
        package_dir=directory,
        config_file=str(config),
        only=question["identifier"],
    )
    whole = Options(question["platform"], words, env={})  # type: ignore[arg-type]
    options = whole.build_options(question["identifier"])
    # As `--print-build-identifiers` does.
    identifiers = get_build_identifiers(
        platform_module=ALL_PLATFORM_MODULES[question["platform"]],  # type: ignore[index]
        build_selector=whole.globals.build_selector,
        architectures=whole.globals.architectures,
    )
    settings = prepare_config_settings(
        options.config_settings, project="/pro ject", package="/pro ject/source"
    )
    return {
        "environment": options.environment.as_dictionary({"HOME": "/home", "x": "y"}, _refuse),
        "flags": get_build_frontend_extra_flags(options.build_frontend, 0, settings),
        "settings": parse_config_settings(settings),
        "identifiers": identifiers,
        "repair": options.repair_command,
        "audit": options.audit_command,
        "test": options.test_command,
    }


def main() -> None:
    """Answer line by line."""
    with tempfile.TemporaryDirectory() as directory:
        for line in sys.stdin:
            print(json.dumps(read(json.loads(line), Path(directory))), flush=True)  # noqa: T201 - it answers so


if __name__ == "__main__":
    main()
