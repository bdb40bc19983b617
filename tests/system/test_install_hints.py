"""The commands that install what is missing, for each package manager."""

from __future__ import annotations

import pytest

from wheelfarm.model import Python
from wheelfarm.system.install_hints import (
    COMPILER_PACKAGES,
    install_command,
    install_compilers,
    install_headers,
    missing_sandbox,
)
from wheelfarm.system.machine import PROGRAMS


@pytest.mark.parametrize(
    ("manager", "podman", "compilers", "headers"),
    [
        ("apt", "apt-get install podman", "apt-get install gcc g++", "apt-get install python3.12-dev"),
        ("dnf", "dnf install podman", "dnf install gcc gcc-c++", "dnf install python3.12-devel"),
        ("brew", "brew install podman", "brew install gcc", "brew install python@3.12"),
    ],
)
def test_each_manager_has_its_names(manager: str, podman: str, compilers: str, headers: str) -> None:
    assert install_command("podman", manager) == podman
    assert install_compilers(["c++", "c"], manager) == compilers
    assert install_headers(Python(major=3, minor=12), manager) == headers


def test_where_a_manager_lacks_it_all_others_are_named() -> None:
    assert install_command("runc", "brew") == "apt-get install runc, or dnf install runc"


def test_each_language_of_a_recipe_has_a_package() -> None:
    assert all({*packages} == {*PROGRAMS} for packages in COMPILER_PACKAGES.values())


def test_there_is_a_sandbox_on_linux_only() -> None:
    assert missing_sandbox("darwin") == ("there is no sandbox for builds on darwin", None)
    why, command = missing_sandbox("linux")
    assert why == "neither bubblewrap nor user namespaces work here"
    assert command
