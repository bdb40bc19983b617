"""Pure wheels: built, or taken over from an index, and a farm that is the only index."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.archives import digest
from support.farm import LINUX, make_toolchain
from support.pure import CHAIN, chain_index, pure_farm, pure_sdist
from support.raised import only
from support.tiny import VARIANT, Run, run_farm
from support.wheels import make_wheel
from wheelfarm.errors import ExpectationError, HashError, RecipeError, YieldError
from wheelfarm.plan.graph import make_plan
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.run.farm import Farm
from wheelfarm.system.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from support.index import Index
    from wheelfarm.recipes.settings import Settings

PUBLIC: Final = "import puresix\ndef answer():\n    return 7\n"


@pytest.fixture(scope="module")
def pure_index(index: Index, tmp_path_factory: pytest.TempPathFactory) -> Index:
    return chain_index(tmp_path_factory.mktemp("pure"), index)


def public_farm(
    root: Path, pure_index: Index, files: dict[str, Any], chain: Mapping[str, Table], **recipe: Any
) -> Settings:
    """A farm that also takes over purepub, a wheel of the index."""
    wheel = make_wheel(root, "purepub", "1.0", files, requires=["puresix>=1"])
    index = pure_index.copy(root / "index")
    index.add(wheel)
    source = {"kind": "wheel", "sha256": digest(wheel.read_bytes())}
    table = {"source": source, "requires": {"run": ["puresix"]}, **recipe}
    return pure_farm(root / "farm", index, {**chain, "purepub": table})


@pytest.fixture(scope="module")
def pure_run(pure_index: Index, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_farm(public_farm(tmp_path_factory.mktemp("run"), pure_index, {"purepub.py": PUBLIC}, CHAIN))


def install(root: Path, wheelhouse: Path, name: str) -> str:
    """Install from the farm's index alone, and return what the package answers."""
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, root / "env"], check=True)
    python = str(root / "env" / "bin" / "python")
    index = (wheelhouse / VARIANT / "simple").as_uri()
    words = ["uv", "pip", "install", "--quiet", "--no-config", "--python", python, "--default-index", index]
    subprocess.run([*words, name], check=True)
    code = f"import {name}; print({name}.answer())"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_a_pure_recipe_is_built_and_the_farm_is_the_only_index(pure_run: Run, tmp_path: Path) -> None:
    assert pure_run.states == {"puresix": "built", "puredate": "built", "purepub": "built"}, [
        str(outcome.error) for outcome in pure_run.outcomes.values()
    ]
    assert pure_run.wheel("puredate").name == "puredate-1.0-py3-none-any.whl"
    record = pure_run.record("puredate")
    checks = {each["check"]: each["found"] for each in record.gate_results}
    assert (checks["pure"], checks["imports"]) == ("py3-none-any", "puredate")
    assert install(tmp_path, pure_run.settings.wheelhouse, "puredate") == "42\n"


def test_one_wheel_is_for_all_targets(pure_index: Index, tmp_path: Path) -> None:
    settings = pure_farm(tmp_path, pure_index, CHAIN)
    toolchains = [make_toolchain(LINUX), make_toolchain(LINUX.replace("311", "312"))]
    plan = make_plan(
        read_recipes(settings), settings=settings, names=None, variant=VARIANT, toolchains=toolchains
    )
    assert [str(build.id) for build in plan.builds] == [
        f"puresix ({VARIANT}, {LINUX})",
        f"puredate ({VARIANT}, {LINUX})",
    ]


# Its wheel is for one platform, although nothing is compiled.
CLAIM: Final = """, distclass=type(
    "D", (__import__("setuptools").Distribution,), dict(has_ext_modules=lambda self: True)
)"""


@pytest.mark.slow
def test_a_recipe_that_is_not_pure_is_refused(pure_index: Index, tmp_path: Path) -> None:
    index = pure_index.copy(tmp_path / "index")
    index.add(pure_sdist(tmp_path, "pureno", [], CLAIM))
    run = run_farm(pure_farm(tmp_path / "farm", index, {"pureno": {}}))
    error = run.error("pureno")
    assert isinstance(error, ExpectationError)
    assert error.what.endswith(
        "pure: expected py3-none-any without compiled code, found cp311-cp311-linux_x86_64"
    )
    assert 'compilers = ["c"]' in str(error.why)


@pytest.mark.slow
def test_a_compiled_recipe_that_yields_a_pure_wheel_is_refused(pure_index: Index, tmp_path: Path) -> None:
    run = run_farm(pure_farm(tmp_path, pure_index, {"puresix": {"compilers": ["c"]}}))
    error = run.error("puresix")
    assert isinstance(error, YieldError)
    assert "the build made a pure wheel, puresix-1.0-py3-none-any.whl" in error.what
    assert error.hint == "a recipe of a pure wheel says compilers = []"


class TestPublicWheel:
    """A wheel of the index that is taken over by its hash."""

    @pytest.mark.slow
    def test_it_is_gated_and_stored_and_the_record_says_so(self, pure_run: Run, tmp_path: Path) -> None:
        record = pure_run.record("purepub")
        settings = pure_run.settings
        public = digest((settings.root.parent / "purepub-1.0-py3-none-any.whl").read_bytes())
        assert (record.source.kind, record.source.sha256) == ("wheel", public)
        assert record.wheel.built_sha256 == public
        assert record.build_requirements == ()
        assert (
            pure_run.outcomes["purepub"].warnings
            == record.warnings
            == (f"purepub-1.0-py3-none-any.whl (sha256 {public}) was taken over from the index, not built",)
        )
        with zipfile.ZipFile(pure_run.wheel("purepub")) as wheel:
            assert wheel.read("purepub.py").decode() == PUBLIC
        assert install(tmp_path, settings.wheelhouse, "purepub") == "7\n"

    def taken(self, root: Path, pure_index: Index, files: dict[str, Any], **recipe: Any) -> Run:
        return run_farm(public_farm(root, pure_index, files, {"puresix": {}}, **recipe))

    @pytest.mark.slow
    def test_compiled_code_in_it_is_refused(self, pure_index: Index, tmp_path: Path) -> None:
        run = self.taken(tmp_path, pure_index, {"purepub.py": "", "a.txt": b"\x7fELF" + bytes(99)})
        assert run.states["purepub"] == "failed"
        assert "a.txt" in str(run.error("purepub"))

    @pytest.mark.slow
    def test_another_hash_is_refused(self, pure_index: Index, tmp_path: Path) -> None:
        source = {"kind": "wheel", "sha256": "0" * 64}
        run = self.taken(tmp_path, pure_index, {"purepub.py": ""}, source=source)
        assert isinstance(run.error("purepub"), HashError)

    def test_it_needs_no_compiler(
        self, pure_index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Machine, "compilers", lambda _machine: {})
        table = {"source": {"kind": "wheel", "sha256": "0" * 64}}
        assert Farm(settings=pure_farm(tmp_path, pure_index, {"purepub": table})).missing(None) == ()

    def test_keys_of_a_build_are_errors(self, pure_index: Index, tmp_path: Path) -> None:
        table = {"source": {"kind": "wheel", "sha256": "0" * 64}, "environment": {"A": "1"}}
        settings = pure_farm(tmp_path, pure_index, {"purepub": table})
        error = only(lambda: read_recipes(settings).check(), RecipeError)
        assert error.where == "recipes/purepub/recipe.toml: environment"
        assert 'source.kind = "wheel"' in str(error.why)
