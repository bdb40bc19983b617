"""The environment report: each pinned wheel must have been installed, with its own bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.archives import digest
from support.farm import builds_of, make_farm
from support.raised import only, raised
from support.stages import make_stage
from support.wheels import Fault, make_wheel
from wheelfarm.build.environment_report import (
    ENVIRONMENT_REPORT,
    LIBRARY_PROVENANCE,
    EnvironmentReport,
    SystemPackage,
    read_environment_report,
    read_library_provenance,
    verify_environment,
)
from wheelfarm.build.host_engine import Host
from wheelfarm.errors import ChainError, YieldError
from wheelfarm.model import EnvironmentEntry, Name, PinnedWheel
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory


def pinned(directory: Path, name: str, *, farm: bool) -> PinnedWheel:
    # pkgconf's wheel for aarch64 has other tags in WHEEL than in its name.
    fault = None if farm else Fault.OTHER_TAG
    path = make_wheel(directory, name, "1.0", {f"{name}.py": "x = 1\n", f"{name}.h": "// h\n"}, fault=fault)
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
    return {"name": str(wheel.name), "version": "1.0", "files": dict(open_wheel(wheel.path).installed)}


def report_of(stage: BuildDirectory) -> dict[str, Any]:
    other = {"name": "pip", "version": "26", "files": {}}
    return {
        "wheels": ["alpha.whl"],
        "built": {"filename": "alpha.whl", "sha256": "1" * 64, "members": {}},
        "compilers": {"c": "cc 12"},
        "packages": {"libblas-dev": "3.11"},
        "compiler-cache": None,
        "build-cache": False,
        "install-plan": {"{py_platlib}/alpha/tests": "tests"},
        "distributions": [*map(installed, stage.requirements), other],
    }


def verified(stage: BuildDirectory, document: dict[str, Any]) -> tuple[EnvironmentEntry, ...]:
    return verify_environment(stage, EnvironmentReport.model_validate(document))


def test_all_is_as_it_was_pinned(stage: BuildDirectory) -> None:
    entries = {entry.name: entry for entry in verified(stage, report_of(stage))}
    upstream, locked = stage.requirements
    assert (entries[upstream.name].sha256, entries[upstream.name].farm) == (upstream.sha256, True)
    assert (entries[locked.name].sha256, entries[locked.name].farm) == (locked.sha256, False)
    # What the builder image brought along came from no wheel that we know.
    assert (entries[Name("pip")].sha256, entries[Name("pip")].farm) == (None, False)
    assert list(entries) == sorted(entries)


def test_names_are_compared_as_pep_503_says(stage: BuildDirectory) -> None:
    report = report_of(stage)
    report["distributions"][0]["name"] = "UpStream"
    assert [str(entry.name) for entry in verified(stage, report)] == ["locked", "pip", "upstream"]


def test_another_file(stage: BuildDirectory) -> None:
    report = report_of(stage)
    report["distributions"][0]["files"]["upstream.h"] = "0" * 64
    error = only(lambda: verified(stage, report), ChainError)
    assert "the farm's wheel of upstream" in error.what
    assert str(error.why).startswith(f"upstream.h has sha256 {'0' * 64}, the pinned wheel ")


def test_all_differences_at_once(stage: BuildDirectory) -> None:
    report = report_of(stage)
    del report["distributions"][0]["files"]["upstream.py"]
    del report["distributions"][1]
    first, second = raised(lambda: verified(stage, report), ChainError)
    assert "upstream.py has sha256 (missing)" in str(first.why)
    assert "the locked wheel of locked" in second.what
    assert second.why == "it was not installed"


def test_of_two_with_one_name_the_first_counts(stage: BuildDirectory) -> None:
    """It is the one that an import finds."""
    report = report_of(stage)
    decoy = {"name": "upstream", "version": "1.0", "files": {"upstream.py": "0" * 64}}
    report["distributions"].insert(0, decoy)
    only(lambda: verified(stage, report), ChainError)
    report["distributions"].append(report["distributions"].pop(0))
    assert verified(stage, report)


class TestReading:
    def test_what_was_written(self, stage: BuildDirectory) -> None:
        (stage.dist / ENVIRONMENT_REPORT).write_text(json.dumps(report_of(stage)))
        report = read_environment_report(stage)
        assert report.built.sha256 == "1" * 64
        assert report.install_plan == {"{py_platlib}/alpha/tests": "tests"}
        assert report.toolchain == (("compiler c", "cc 12"), ("package libblas-dev", "3.11"))

    @pytest.mark.parametrize("text", [None, "{"])
    def test_none_proves_nothing(self, stage: BuildDirectory, text: str | None) -> None:
        if text is not None:
            (stage.dist / ENVIRONMENT_REPORT).write_text(text)
        error = only(lambda: read_environment_report(stage), ChainError)
        assert error.where == str(stage.dist / ENVIRONMENT_REPORT)

    def test_more_than_one_wheel(self, stage: BuildDirectory) -> None:
        """cibuildwheel would go on with the first."""
        wheels = ["alpha.whl", "beta.whl"]
        (stage.dist / ENVIRONMENT_REPORT).write_text(json.dumps(report_of(stage) | {"wheels": wheels}))
        error = only(lambda: read_environment_report(replace(stage, backend="mesonpy")), YieldError)
        assert (error.what, error.why) == (
            "mesonpy's build left 2 wheels for alpha",
            "alpha.whl, beta.whl",
        )


class TestLibraryProvenance:
    def test_read(self, stage: BuildDirectory) -> None:
        blas = {"kind": "deb", "name": "libblas3", "version": "3.11", "texts": {"libblas3/copyright": "BSD"}}
        document = {"kind": "deb", "distribution": "debian", "packages": {"a.so": blas, "b.so": None}}
        (stage.dist / LIBRARY_PROVENANCE).write_text(json.dumps(document))
        found = read_library_provenance(stage)
        assert (found.kind, found.distribution) == ("deb", "debian")
        assert found.packages == {"a.so": SystemPackage.model_validate(blas), "b.so": None}

    @pytest.mark.parametrize(
        "text",
        [None, "", "{}", "[]", '{"packages": {"a": {"odd": 1}}, "kind": "", "distribution": ""}'],
    )
    def test_missing_or_damaged(self, stage: BuildDirectory, text: str | None) -> None:
        if text is not None:
            (stage.dist / LIBRARY_PROVENANCE).write_text(text)
        with pytest.raises(ChainError, match="there is no valid library provenance"):
            read_library_provenance(stage)
