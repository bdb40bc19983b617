"""Factories for build records."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from wheelfarm.model import AppliedPatch, CacheUse, Digest, EngineName, EnvironmentEntry, Name, Target
from wheelfarm.plan.inputs import BuildInputs, SourceInput
from wheelfarm.provenance.record import (
    EmbeddedRecord,
    Record,
    RecordedSource,
    RecordedWheel,
    SourceKind,
    UpstreamWheel,
)
from wheelfarm.recipes.providers import Provider
from wheelfarm.recipes.recipe import BuildRequires


def sample_record(**changes: Any) -> Record:
    """A record with something in every field."""
    fields: dict[str, Any] = dict(  # noqa: C408 - as the model's arguments
        recipe=Name("scipy"),
        distribution=Name("scipy"),
        version="1.17.1",
        variant="openblas",
        target=Target.parse("cp312-manylinux_x86_64"),
        engine=EngineName.HOST,
        key=Digest("a" * 64),
        key_parts={"source": "b" * 64, "target": "cp312-manylinux_x86_64"},
        gate_key=Digest("c" * 64),
        source=RecordedSource(kind=SourceKind.SDIST, filename="scipy-1.17.1.tar.gz", sha256=Digest("b" * 64)),
        patches=(AppliedPatch(file="0001-no-tests.patch", sha256=Digest("d" * 64), text="--- a\n\udcff"),),
        config_settings={"setup-args": ("-Dblas=openblas", "-Dlapack=openblas")},
        environment={"CFLAGS": "-O2 -g0"},
        resolved={"variant": {"value": "openblas", "origin": "farm.toml"}},
        build_requirements=(
            EnvironmentEntry(name=Name("numpy"), version="2.4.6", sha256=Digest("e" * 64), farm=True),
            EnvironmentEntry(name=Name("pip"), version="26.3", sha256=None),
        ),
        upstream=(
            UpstreamWheel(
                name=Name("numpy"),
                filename="numpy-2.4.6-cp312-cp312-manylinux_2_28_x86_64.whl",
                sha256=Digest("e" * 64),
            ),
        ),
        toolchain={"gcc": "12.2.0"},
        compiler_cache=CacheUse(hits=1900, misses=3, missed=("a.c", "b.c", "c.c")),
        build_cache=True,
        wheel=RecordedWheel(
            filename="scipy-1.17.1-cp312-cp312-manylinux_2_28_x86_64.whl",
            sha256=Digest("f" * 64),
            size=40_000_000,
            built_sha256=Digest("0" * 64),
        ),
        sizes={"extension": 30_000_000, "python": 9_000_000},
        gate_results=({"check": "blas", "passed": True},),
        times={"build": 1178.5, "repair": 4},
        started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        finished=datetime(2026, 1, 2, 3, 24, 5, tzinfo=UTC),
        log=PurePosixPath("logs/scipy.log"),
    )
    return Record(**fields | changes)


def sample_inputs(**changes: Any) -> BuildInputs:
    """Inputs of a build without requirements."""
    fields: dict[str, Any] = dict(  # noqa: C408 - as the model's arguments
        rules="1",
        name="scipy",
        version="1.17.1",
        engine=EngineName.HOST,
        target="cp312-manylinux_x86_64",
        variant="openblas",
        provider=Provider.NONE,
        source=SourceInput(kind="sdist", sha256=Digest("b" * 64)),
        patches=(),
        build_requires=BuildRequires(),
        blas=False,
        config_settings={},
        environment={},
        cibuildwheel={},
        splits={},
        requirements={},
        provider_requirements={},
        upstream={},
        toolchain={},
        compilers={},
        programs={},
        system_packages={},
        system_package_versions={},
    )
    return BuildInputs(**fields | changes)


def sample_embedded(distribution: str, inputs: BuildInputs) -> EmbeddedRecord:
    """The record in a wheel that was built of some inputs."""
    source = sample_record().source
    return EmbeddedRecord(
        distribution=Name(distribution),
        inputs=inputs,
        source=source,
        build_requirements=(),
        upstream=(),
        toolchain={},
    )
