"""The documentation says what the code does: generated pages are current, and prose names what there is."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from wheelfarm.cli.program import collection

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROSE = sorted(
    page
    for page in (ROOT / "README.md", ROOT / "wheelhouse" / "README.md", *DOCS.rglob("*.md"))
    if "_build" not in page.parts
)


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()


def test_generated_pages_are_current() -> None:
    # In a process of its own: invoke tells the help of an option only once a process.
    words = [sys.executable, str(DOCS / "generate.py"), "--check"]
    checked = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_check_tells_of_a_stale_page_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(GENERATOR, "REFERENCE", tmp_path)
    assert GENERATOR.main([]) == 0
    assert GENERATOR.main(["--check"]) == 0
    (tmp_path / "errors.md").write_text("old", encoding="utf-8")
    assert GENERATOR.main(["--check"]) == 1
    assert "docs/reference/errors.md is not current" in capsys.readouterr().err
    assert (tmp_path / "errors.md").read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    ("line", "message"),
    [('[Recipe]\nname = "twice"\n', "neither the model"), ('[Nothing]\nkey = "idle"\n', "nothing needs")],
)
def test_meanings_are_complete_and_needed(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = "" if message == "neither the model" else (DOCS / "meanings.toml").read_text(encoding="utf-8")
    (tmp_path / "meanings.toml").write_text(known + line, encoding="utf-8")
    monkeypatch.setattr(GENERATOR, "DOCS", tmp_path)
    with pytest.raises(KeyError, match=message):
        GENERATOR.recipe_page()


@pytest.mark.parametrize("page", [*PROSE, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_prose_names_files_that_exist(page: Path) -> None:
    """Modules are named below `src/wheelfarm`, and in one page below `src/wheelfarm/build`."""
    named = re.findall(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|toml|md|yml))`", page.read_text(encoding="utf-8"))
    roots = (ROOT, ROOT / "src", ROOT / "src/wheelfarm", ROOT / "src/wheelfarm/build")
    assert [name for name in named if not any((root / name).is_file() for root in roots)] == []


def test_every_task_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in collection().task_names if f"inv {name}" not in text] == []


def test_readme_shows_lines_of_the_real_recipe() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    recipe = iter((ROOT / "recipes" / "numpy" / "recipe.toml").read_text(encoding="utf-8").splitlines())
    (excerpt,) = re.findall(r"```toml\n(.+?)```", readme, re.DOTALL)
    assert [line for line in excerpt.splitlines() if line not in recipe] == []


def test_packages_stand_in_the_order_of_the_import_rules() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    packages = re.findall(
        r"^\| `(\w+)` \|", (DOCS / "concepts" / "architecture.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    names = [name for layer in layers[::-1] for name in sorted(layer.split(" : "))]
    assert packages == names


def test_every_dependency_is_explained() -> None:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["programs"]]
    lines += [line for group in groups.values() for line in group if isinstance(line, str)]
    text = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    tables = " ".join(re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE))
    names = {Requirement(line).name for line in lines}
    assert {
        name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", tables)
    } == set()
