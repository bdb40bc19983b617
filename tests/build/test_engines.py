"""What both engines share, and what each says of a failure."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import make_farm
from support.progress import RecordingListener
from support.raised import only, raised
from support.stages import build_for, make_stage
from wheelfarm.build.cibuildwheel_engine import Cibuildwheel
from wheelfarm.build.cibuildwheel_options import check_options
from wheelfarm.build.containers import ContainerEngine, container_engine, default_image
from wheelfarm.build.engine import Phase, Rendering, Step
from wheelfarm.build.environment import PROXIES, build_environment, config_settings
from wheelfarm.build.host_engine import Host, programs_environment
from wheelfarm.build.steps import run_rendering
from wheelfarm.errors import EngineError, FarmError, RecipeError
from wheelfarm.model import EngineName, Isolation, Target
from wheelfarm.run.services import choose_engine

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.recipes.settings import Settings


@pytest.fixture
def farm(tmp_path: Path) -> Settings:
    return make_farm(tmp_path / "farm", settings={"jobs": 3})


def stage_for(farm: Settings, **words: Any) -> BuildDirectory:
    changes = {key: words.pop(key) for key in ("backend",) if key in words}
    return make_stage(build_for(farm, **words), Host(farm), jobs=3, **changes)


class TestEnvironment:
    def test_the_farm_s_own(self, farm: Settings) -> None:
        assert build_environment(stage_for(farm, environment={"CFLAGS": "-O1"})) == {
            "CFLAGS": "-O1",
            "MAKEFLAGS": "-j3",
            "CMAKE_BUILD_PARALLEL_LEVEL": "3",
            "NPY_NUM_BUILD_JOBS": "3",
            "SOURCE_DATE_EPOCH": "1600000000",
            "PYTHONHASHSEED": "0",
            "PIP_NO_INDEX": "1",
            **{name: "" if "no" in name.lower() else "http://127.0.0.1:9" for name in PROXIES},
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "GIT_CEILING_DIRECTORIES": "/stage",
        }

    def test_a_recipe_says_how_many_jobs_when_it_must(self, farm: Settings) -> None:
        """Some makefiles do not stand more than one."""
        stage = stage_for(farm, environment={"MAKEFLAGS": "-j1"})
        assert build_environment(stage)["MAKEFLAGS"] == "-j1"

    def test_meson_may_not_choose_the_compiler_itself(self, farm: Settings) -> None:
        """It would put a ccache before it, and that into wheels; a recipe's own compiler stays."""
        environment = build_environment(stage_for(farm, environment={"CC": "clang"}, backend="mesonpy"))
        assert (environment["CC"], environment["CXX"]) == ("clang", "c++")
        windows = make_stage(build_for(farm, "cp311-win_amd64"), Host(farm), backend="mesonpy")
        assert not {"CC", "CXX"} & build_environment(windows).keys()

    @pytest.mark.parametrize("name", ["PATH", "Path", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH", "PIP_NO_INDEX"])
    def test_what_would_undo_an_invariant_is_refused(self, farm: Settings, name: str) -> None:
        stage = stage_for(farm, environment={name: "x", "A": "1"})
        error = only(lambda: build_environment(stage), RecipeError)
        assert (error.what, error.where) == (
            f"{name} may not be set by a recipe",
            "recipes/alpha/recipe.toml",
        )

    def test_programs_come_from_beside_the_farm_s_interpreter(self, farm: Settings) -> None:
        env = programs_environment(farm.replace(environ={"PATH": "/bin", "CFLAGS": "-O0", "CIBW_BUILD": "*"}))
        assert env == {"PATH": f"{Path(sys.executable).parent}:/bin"}
        assert programs_environment(farm.replace(environ=env)) == env


class TestConfigSettings:
    def test_meson_python_gets_its_share_and_a_fixed_directory(self, farm: Settings) -> None:
        stage = stage_for(farm, config={"setup-args": ["-Da=b"]}, backend="mesonpy")
        assert config_settings(stage).items == (
            ("setup-args", ("-Da=b", "--wrap-mode=nodownload")),
            ("build-dir", ("/stage/build",)),
            ("compile-args", ("-j3",)),
        )

    def test_what_the_recipe_says_wins(self, farm: Settings) -> None:
        said = {"compile-args": ["-v", "-j1"]}
        stage = stage_for(farm, config=said, backend="mesonpy")
        assert dict(config_settings(stage).items) == {
            "compile-args": ("-v", "-j1"),
            "setup-args": ("--wrap-mode=nodownload",),
            "build-dir": ("/stage/build",),
        }

    def test_other_backends_get_what_the_recipe_says(self, farm: Settings) -> None:
        stage = stage_for(farm, config={"a": "b"})
        assert config_settings(stage).items == (("a", ("b",)),)


class TestOptions:
    def options(self, farm: Settings, options: dict[str, Any], engine: str = "cibuildwheel") -> None:
        origins = {f"cibuildwheel.{name}": "recipe.toml" for name in options}
        build = build_for(farm, cibuildwheel=options, origins=origins)
        check_options(replace(build, engine=EngineName(engine)))

    def test_options_are_an_error_where_no_cibuildwheel_runs(self, farm: Settings) -> None:
        error = only(lambda: self.options(farm, {"build-verbosity": 2}, "host"), RecipeError)
        assert error.what == "build-verbosity would have no effect"

    def test_further_options_are_passed_through(self, farm: Settings) -> None:
        self.options(farm, {})
        self.options(farm, {"build-verbosity": 2, "dependency-versions": "latest"})
        build = build_for(farm, cibuildwheel={"build-verbosity": 2})
        engine = Cibuildwheel(farm, ContainerEngine("podman", storage=""))
        assert engine.options(make_stage(build, engine))["build-verbosity"] == 2

    @pytest.mark.parametrize(
        "option",
        [
            *("environment", "before-build", "test-command", "test-requires", "audit-command", "overrides"),
            *("linux", "macos", "manylinux-x86_64-image", "container-engine", "build", "config-settings"),
        ],
    )
    def test_the_farm_s_own_are_refused(self, farm: Settings, option: str) -> None:
        error = only(lambda: self.options(farm, {option: "x"}), RecipeError)
        assert error.what == f"{option} may not be set through cibuildwheel"

    def test_cibuildwheel_s_schema_decides_on_the_others(self, farm: Settings) -> None:
        options = {"build-verbosity": "loud", "no-such-option": 1, "skip": "x"}
        owned, first, second = raised(lambda: self.options(farm, options), RecipeError)
        assert "skip may not be set" in owned.what
        assert "does not take build-verbosity = 'loud'" in first.what
        assert "'no-such-option' was unexpected" in str(second.why)


class TestPhase:
    STEP = Step(phase=Phase.BUILD, argv=("x",), env={}, cwd=Path())

    @pytest.mark.parametrize(
        ("output", "phase"),
        [
            ("", Phase.START),
            ("Error: no such image", Phase.START),
            ("Running before_all...\nE: no such package", Phase.PROVIDER),
            ("Running before_all...\nRunning before_build...\nhash mismatch", Phase.ENVIRONMENT),
            ("Running before_build...\nBuilding wheel...\nerror: x", Phase.BUILD),
            ("Building wheel...\nRepairing wheel...\nauditwheel: error", Phase.REPAIR),
        ],
    )
    def test_cibuildwheel_s_headlines_tell(self, farm: Settings, output: str, phase: Phase) -> None:
        engine = Cibuildwheel(farm, ContainerEngine("podman", storage=""))
        step = engine.render(make_stage(build_for(farm), engine)).steps[0]
        assert step.phase_in(output.splitlines()) is phase

    def test_on_the_host_each_step_is_one_program(self) -> None:
        step = replace(self.STEP, phase=Phase.ENVIRONMENT_REPORT)
        assert step.phase_in(["Repairing wheel..."]) is Phase.ENVIRONMENT_REPORT

    @pytest.mark.parametrize(
        ("phase", "slug"),
        [
            (Phase.START, "engine"),
            (Phase.ENVIRONMENT, "lock"),
            (Phase.PROVIDER, "provider"),
            (Phase.BUILD, "build"),
            (Phase.ENVIRONMENT_REPORT, "chain"),
            (Phase.REPAIR, "repair"),
        ],
    )
    def test_each_phase_has_its_class_of_error(
        self, farm: Settings, tmp_path: Path, phase: Phase, slug: str
    ) -> None:
        argv = ("sh", "-c", "echo some words; echo error: the cause; exit 3")
        step = Step(phase=phase, argv=argv, env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path)
        stage = make_stage(build_for(farm), Host(farm), tmp_path)
        (tmp_path / "inside").mkdir()
        listener = RecordingListener()
        with pytest.raises(FarmError) as caught:
            run_rendering(
                Host(farm),
                Rendering(steps=(step,), files={"a.txt": "text"}),
                stage,
                log=tmp_path / "log",
                time_limit=10,
                listener=listener,
            )
        error = caught.value
        assert (error.slug, error.log) == (slug, tmp_path / "log")
        assert error.where == "recipes/alpha/recipe.toml, log, line 4"
        assert str(error.why).splitlines()[-1] == "error: the cause"
        assert error.hint
        assert listener.lines == ["some words", "error: the cause"]
        assert (tmp_path / "a.txt").read_text() == "text"


class TestContainers:
    def test_without_one_there_is_no_toolchain(self, farm: Settings) -> None:
        target = Target.parse("cp311-manylinux_x86_64")
        error = only(lambda: Cibuildwheel(farm, None).toolchain(target, {}, ()), EngineError)
        assert "neither podman nor docker answers" in error.what

    @pytest.mark.parametrize(
        ("platform", "own"),
        [("musllinux_x86_64", "C library is glibc"), ("manylinux_aarch64", "processor is x86_64")],
    )
    def test_the_host_engine_builds_for_this_kind_of_linux(
        self, farm: Settings, platform: str, own: str
    ) -> None:
        settings = farm.replace(engine=EngineName.HOST, platforms=(platform,))
        error = only(lambda: choose_engine(settings), EngineError)
        assert error.what == f"the host engine does not build for {platform} here"
        assert own in str(error.why)
        assert choose_engine(settings.replace(platforms=("manylinux_x86_64",))).name is EngineName.HOST
        # One platform of several is enough, and workers do not help: the plan is made here.
        both = settings.replace(platforms=("manylinux_x86_64", platform), workers="tcp://scheduler:8786")
        error = only(lambda: choose_engine(both), EngineError)
        assert error.what == f"the host engine does not build for {platform} here"
        assert "those of workers are not known here" in str(error.why)

    def test_a_client_without_a_server_does_not_count(self, farm: Settings, tmp_path: Path) -> None:
        programs = tmp_path / "bin"
        programs.mkdir()
        for name, code in (("podman", 1), ("docker", 0)):
            (programs / name).write_text(f"#!/bin/sh\nexit {code}\n")
            (programs / name).chmod(0o755)
        only_these = farm.replace(environ={"PATH": str(programs)})
        assert getattr(container_engine(only_these), "program", None) == "docker"
        assert container_engine(only_these.replace(container_engine="podman")) is None

    def test_which_engines_can_overlay_a_directory(self) -> None:
        podman = ContainerEngine("podman", storage="overlay")
        assert podman.can_overlay(Path("/stage"))
        assert not podman.can_overlay(Path("/a:b/stage"))
        assert not ContainerEngine("podman", storage="vfs").can_overlay(Path("/stage"))
        assert not ContainerEngine("docker", storage="overlay").can_overlay(Path("/stage"))

    def test_where_a_stage_is_seen(self, farm: Settings) -> None:
        engine, root = Cibuildwheel(farm, ContainerEngine("podman", storage="")), Path("/stage")
        assert engine.inside(root, Target.parse("cp311-musllinux_x86_64")) == PurePosixPath("/project")
        assert engine.inside(root, Target.parse("cp311-macosx_arm64")) == root
        assert Host(farm).inside(root, Target.parse("cp311-manylinux_x86_64")) == root

    @pytest.mark.parametrize("compilers", [["c"], []])
    @pytest.mark.parametrize("isolation", [Isolation.CONTAINER, Isolation.NONE])
    def test_a_build_has_a_network_if_its_recipe_says_so(
        self, tmp_path: Path, compilers: list[str], isolation: Isolation
    ) -> None:
        table: dict[str, Any] = {"compilers": compilers}
        if isolation is Isolation.NONE:
            table |= {"isolation": "none", "isolation-reason": "it downloads data"}
        farm = make_farm(tmp_path, {"alpha": table})
        engine, build = Cibuildwheel(farm, ContainerEngine("podman", storage="")), build_for(farm)
        assert engine.isolation(build) is isolation
        stage = make_stage(build, engine)
        calls = [engine.options(stage)["container-engine"]["create-args"]]
        if not compilers:
            calls = [step.argv for step in engine.render(stage).steps]
        for words in calls:
            assert "--security-opt=no-new-privileges" in words
            assert ("--network=none" in words) is (isolation is Isolation.CONTAINER)

    def test_the_default_image_is_pinned(self) -> None:
        for identifier, name in (
            ("cp311-manylinux_x86_64", "manylinux_2_28_x86_64"),
            ("cp311-manylinux_aarch64", "manylinux_2_28_aarch64"),
            ("cp311-manylinux_riscv64", "manylinux_2_39_riscv64"),
            ("cp311-musllinux_x86_64", "musllinux_1_2_x86_64"),
        ):
            assert f"/{name}@sha256:" in default_image(Target.parse(identifier))
