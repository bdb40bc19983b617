"""What a wheel is built from: the source, and no binary or version that happens to lie around."""

from __future__ import annotations

import subprocess
import sysconfig
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.archives import Entry, make_tar
from support.binaries import elf
from support.packages import tinyleaf
from support.tiny import run_farm, tiny_farm, tiny_index

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings


SUFFIX: Final = sysconfig.get_config_var("EXT_SUFFIX")
LEFT: Final = f"build/lib.{sysconfig.get_platform()}-cpython-311/tinyleaf/_ext{SUFFIX}"


def farm(tmp_path: Path, more: Mapping[str, bytes], top: str = "", **source: Any) -> Settings:
    """A farm whose tinyleaf has further files, and is in a directory of its source."""
    files = {f"{top}{name}": text.encode() for name, text in tinyleaf().items()} | dict(more)
    index = tiny_index(tmp_path / "index")
    path = make_tar(
        tmp_path / "tinyleaf-1.0.tar.gz",
        [Entry(f"tinyleaf-1.0/{name}", content) for name, content in files.items()],
    )
    index.add(path)
    return tiny_farm(tmp_path / "farm", index, {"tinyleaf": {"source": source}})


@pytest.mark.slow
def test_a_module_that_was_compiled_elsewhere(tmp_path: Path) -> None:
    """setuptools takes what is in build/ for its own, and compiles nothing."""
    foreign = elf("void *PyInit__ext(void) { return 0; }")
    run = run_farm(farm(tmp_path / "a", {LEFT: foreign}))
    error = run.error("tinyleaf")
    assert (error.slug, error.why) == ("source", f"{LEFT}: ELF binary")
    run = run_farm(farm(tmp_path / "b", {LEFT: foreign}, allow={"build/*": "it is said to be needed"}))
    error = run.error("tinyleaf")
    assert error.what == (
        f"tinyleaf/_ext{SUFFIX} of the built wheel was not built: it is a file of the source"
    )
    assert not list((tmp_path / "b").glob("farm/wheelhouse/**/*.whl"))
    run = run_farm(farm(tmp_path / "c", {LEFT: foreign}, remove=["build/*"]))
    assert run.states == {"tinyleaf": "built"}, str(run.outcomes["tinyleaf"].error)
    assert run.record("tinyleaf").non_source == ()
    data = {"tests/data.so": foreign}
    run = run_farm(farm(tmp_path / "d", data, allow={"tests/*": "data of the tests"}))
    assert run.states == {"tinyleaf": "built"}, str(run.outcomes["tinyleaf"].error)
    (allowed,) = run.record("tinyleaf").non_source or ()
    assert (allowed.file, allowed.kind, allowed.reason) == (
        "tests/data.so",
        "ELF binary",
        "data of the tests",
    )


@pytest.mark.slow
def test_a_project_in_a_subdirectory_inside_another_repository(tmp_path: Path) -> None:
    """A build does not get the tag of the repository that the farm is in."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"], ["tag", "v9.9.9"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    code = (
        "import subprocess, sys\n"
        "git = subprocess.run(['git', 'describe', '--tags'], capture_output=True, text=True)\n"
        "print('git says', git.stdout or git.stderr)\n"
    )
    setup = (code + tinyleaf()["setup.py"]).encode()
    settings = farm(tmp_path, {"python/setup.py": setup}, "python/", subdirectory="python")
    run = run_farm(settings)
    assert run.states == {"tinyleaf": "built"}, str(run.outcomes["tinyleaf"].error)
    lines = [line for line in run.lines if "git says" in line]
    assert lines
    assert not any("9.9.9" in line for line in lines)
    assert run.record("tinyleaf").key_parts["source"].count('"subdirectory": "python"') == 1
