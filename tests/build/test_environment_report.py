"""The witness's testimony: each pinned wheel must have been there, with its own bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.archives import digest
from support.farm import builds_of, make_farm
from support.raised import only, raised
from support.stages import make_stage
from support.wheels import make_wheel
from wheelfarm.build.engine import OWNERS, TESTIMONY
from wheelfarm.build.environment_report import (
    Owner,
    built_digest,
    held,
    install_plan,
    read_owners,
    read_testimony,
)
from wheelfarm.build.host_engine import Host
from wheelfarm.errors import ChainError, YieldError
from wheelfarm.model import Name, PinnedWheel
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.wheel import files

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory


def pinned(directory: Path, name: str, *, farm: bool) -> PinnedWheel:
    path = make_wheel(directory, name, "1.0", {f"{name}.py": "x = 1\n", f"{name}.h": "// h\n"})
    sha256 = digest(path.read_bytes())
    return PinnedWheel(name=Name(name), version="1.0", path=path, sha256=sha256, farm=farm)


@pytest.fixture
def stage(tmp_path: Path) -> BuildDirectory:
    """A stage with a wheel of the farm and a locked one."""
    settings = make_farm(tmp_path / "farm")
    wheels = (pinned(tmp_path, "upstream", farm=True), pinned(tmp_path, "locked", farm=False))
    (tmp_path / "stage" / "dist").mkdir(parents=True)
    return make_stage(builds_of(settings)["alpha"], Host(settings), tmp_path / "stage", requirements=wheels)


def installed(wheel: PinnedWheel) -> dict[str, Any]:
    return {"name": str(wheel.name), "version": "1.0", "files": dict(files(open_wheel(wheel.path)))}


def told_of(stage: BuildDirectory) -> dict[str, Any]:
    other = {"name": "pip", "version": "26", "files": {}}
    return {
        "wheels": ["alpha.whl"],
        "built": {"filename": "alpha.whl", "sha256": "1" * 64},
        "compilers": {"c": "cc 12"},
        "packages": {"libblas-dev": "3.11"},
        "compiler-cache": None,
        "kept-build": False,
        "install-plan": {"{py_platlib}/alpha/tests": "tests"},
        "distributions": [*map(installed, stage.requirements), other],
    }


def test_all_is_as_it_was_pinned(stage: BuildDirectory) -> None:
    entries = {entry.name: entry for entry in held(stage, told_of(stage))}
    upstream, locked = stage.requirements
    assert (entries[upstream.name].sha256, entries[upstream.name].farm) == (upstream.sha256, True)
    assert (entries[locked.name].sha256, entries[locked.name].farm) == (locked.sha256, False)
    # What the builder image brought along came from no wheel that we know.
    assert (entries[Name("pip")].sha256, entries[Name("pip")].farm) == (None, False)
    assert list(entries) == sorted(entries)


def test_names_are_compared_as_pep_503_says(stage: BuildDirectory) -> None:
    testimony = told_of(stage)
    testimony["distributions"][0]["name"] = "UpStream"
    assert [str(entry.name) for entry in held(stage, testimony)] == ["locked", "pip", "upstream"]


def test_another_file(stage: BuildDirectory) -> None:
    testimony = told_of(stage)
    testimony["distributions"][0]["files"]["upstream.h"] = "0" * 64
    error = only(lambda: held(stage, testimony), ChainError)
    assert "the farm's wheel of upstream" in error.what
    assert str(error.why).startswith(f"upstream.h has sha256 {'0' * 64}, the pinned wheel ")


def test_all_differences_at_once(stage: BuildDirectory) -> None:
    testimony = told_of(stage)
    del testimony["distributions"][0]["files"]["upstream.py"]
    del testimony["distributions"][1]
    first, second = raised(lambda: held(stage, testimony), ChainError)
    assert "upstream.py has sha256 (missing)" in str(first.why)
    assert "the locked wheel of locked" in second.what
    assert second.why == "it was not installed"


def test_of_two_with_one_name_the_first_counts(stage: BuildDirectory) -> None:
    """It is the one that an import finds."""
    testimony = told_of(stage)
    decoy = {"name": "upstream", "version": "1.0", "files": {"upstream.py": "0" * 64}}
    testimony["distributions"].insert(0, decoy)
    only(lambda: held(stage, testimony), ChainError)
    testimony["distributions"].append(testimony["distributions"].pop(0))
    assert held(stage, testimony)


class TestReading:
    def test_what_was_written(self, stage: BuildDirectory) -> None:
        (stage.dist / TESTIMONY).write_text(json.dumps(told_of(stage)))
        assert built_digest(read_testimony(stage)) == "1" * 64
        assert install_plan(read_testimony(stage)) == {"{py_platlib}/alpha/tests": "tests"}

    @pytest.mark.parametrize("text", [None, "{"])
    def test_none_proves_nothing(self, stage: BuildDirectory, text: str | None) -> None:
        if text is not None:
            (stage.dist / TESTIMONY).write_text(text)
        error = only(lambda: read_testimony(stage), ChainError)
        assert error.where == str(stage.dist / TESTIMONY)

    def test_more_than_one_wheel(self, stage: BuildDirectory) -> None:
        """cibuildwheel would go on with the first."""
        wheels = ["alpha.whl", "beta.whl"]
        (stage.dist / TESTIMONY).write_text(json.dumps(told_of(stage) | {"wheels": wheels}))
        error = only(lambda: read_testimony(replace(stage, backend="mesonpy")), YieldError)
        assert (error.what, error.why) == (
            "mesonpy's build left 2 wheels for alpha",
            "alpha.whl, beta.whl",
        )


class TestOwners:
    def test_read(self, stage: BuildDirectory) -> None:
        blas = {"kind": "deb", "name": "libblas3", "version": "3.11", "texts": {"libblas3/copyright": "BSD"}}
        told = {"system": {"kind": "deb", "distribution": "debian"}, "owners": {"a.so": blas, "b.so": None}}
        (stage.dist / OWNERS).write_text(json.dumps(told))
        found = read_owners(stage)
        assert (found.kind, found.distribution) == ("deb", "debian")
        assert found.owners == {"a.so": Owner(**blas), "b.so": None}  # type: ignore[arg-type]

    @pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"owners": {"a": {"odd": 1}}, "system": {}}'])
    def test_nothing_told(self, stage: BuildDirectory, text: str | None) -> None:
        if text is not None:
            (stage.dist / OWNERS).write_text(text)
        with pytest.raises(ChainError, match="nothing tells whose"):
            read_owners(stage)
