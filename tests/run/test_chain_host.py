"""The chain of two tiny packages through the host engine: what is built, recorded and built again."""

from __future__ import annotations

import json
import platform
import sysconfig
import zipfile
from typing import TYPE_CHECKING

import pytest

from support.store import check_tidy, check_whole
from support.tiny import BUILD, VARIANT, run_farm
from wheelfarm.provenance.record import read_embedded_record
from wheelfarm.provenance.sbom_reader import read_components
from wheelfarm.recipes.settings import load
from wheelfarm.run.decision import decide_all
from wheelfarm.run.farm import Farm
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings


def decisions(settings: Settings) -> dict[str, tuple[str, str]]:
    """What a run would do and why, by name; from the files as they are now."""
    farm = Farm(settings=load(settings.root, environ=settings.environ))
    return {
        str(each.build.id.name): (each.action.value, "; ".join(each.why))
        for each in decide_all(farm.wheelhouse, farm.plan(None))
    }


def edit(settings: Settings, path: str, old: str, new: str) -> None:
    """Change the first place of a text in a file of the farm; without an old text, add a table at the end."""
    file = settings.root / path
    text = file.read_text()
    changed = text.replace(old, new, 1) if old else f"{text}\n{new}"
    assert changed != text
    file.write_text(changed)


def snapshot(directory: Path) -> dict[str, int]:
    """Each file with the time of its last change."""
    return {str(path): path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file()}


def test_both_are_built_and_recorded(chain: Settings) -> None:
    run = run_farm(chain)
    base, top = run.record("tinybase"), run.record("tinytop")
    stored = run.wheel("tinybase")
    assert base.wheel.sha256 == sha256_of_file(stored)
    assert base.wheel.built_sha256 not in {None, base.wheel.sha256}
    (upstream,) = top.upstream
    assert (upstream.name, upstream.filename, upstream.sha256) == (
        "tinybase",
        stored.name,
        base.wheel.sha256,
    )
    installed = {str(entry.name): entry for entry in top.build_requirements}
    assert set(installed) == {*BUILD, "tinybase"}
    assert (installed["tinybase"].farm, installed["tinybase"].sha256) == (True, base.wheel.sha256)
    locked: dict[str, Collection[str | None]] = {
        str(each.name): each.hashes for each in run.build("tinytop").requirements
    }
    assert all(installed[name].sha256 in locked[name] and not installed[name].farm for name in BUILD)
    assert [patch.file for patch in base.patches] == ["0001-sum.patch"]
    assert [(result["check"], result["found"]) for result in top.gate_results] == [
        ("record", "8 members as it says"),
        ("metadata", "valid"),
        ("architecture", platform.machine()),
        ("extensions", f"tinytop/_ext.{sysconfig.get_config_var('EXT_SUFFIX').removeprefix('.')}"),
        ("stripped", "none with them"),
        ("imports", "tinytop"),
        ("smoke", "passed"),
        ("sbom", "none vendored"),
    ]
    assert (chain.root / base.log).read_text().startswith("$ uv ")
    embedded = read_embedded_record(open_wheel(run.wheel("tinytop")))
    assert (embedded.key, embedded.distribution) == (top.key, "tinytop")
    assert (embedded.inputs, embedded.upstream) == (top.inputs, top.upstream)
    assert str(chain.root) not in embedded.to_json()
    with zipfile.ZipFile(stored) as wheel:
        assert any(name.startswith("tinybase.libs/libtiny") for name in wheel.namelist())
    sbom = read_components(open_wheel(stored))
    assert any(each.get("files", "").startswith("tinybase.libs/libtiny") for each in sbom)
    assert [each["name"] for each in sbom if each.get("scope") == "excluded"] == sorted(BUILD)
    check_tidy(chain.wheelhouse, VARIANT)


@pytest.mark.slow  # a run more
def test_a_second_run_removes_what_one_has_left_that_was_killed_after_it_stored(chain: Settings) -> None:
    top = run_farm(chain).build("tinytop")
    left = [chain.stages / top.id.slug / "dist", chain.work / "ungated" / top.key]
    for path in left:
        path.mkdir(parents=True)
    (chain.wheelhouse / VARIANT / "simple/tinytop/index.html").unlink()
    (chain.wheelhouse / VARIANT / ".unfinished").touch()
    assert run_farm(chain).states == {"tinybase": "cached", "tinytop": "cached"}
    assert not list(chain.stages.glob("*/*"))
    assert not left[1].exists()
    check_tidy(chain.wheelhouse, VARIANT)


def test_a_second_run_does_nothing(chain: Settings) -> None:
    before = snapshot(chain.wheelhouse)
    run = run_farm(chain)
    assert run.states == {"tinybase": "cached", "tinytop": "cached"}
    assert all(outcome.why.startswith("nothing changed") for outcome in run.outcomes.values())
    assert snapshot(chain.wheelhouse) == before
    assert run.lines == []


BASE, TOP = "recipes/tinybase/recipe.toml", "recipes/tinytop/recipe.toml"
PATCH, SMOKE = "patches/tinybase/0001-sum.patch", "recipes/tinybase/smoke.py"
OPTION, VALUE = '[config-settings]\nquiet = "1"\n', '[environment]\nA = "1"\n'
ONE_HASH_MORE = f"--hash=sha256:{'0' * 64} --hash"


@pytest.mark.parametrize(
    ("edited", "expected", "why"),
    [
        ((PATCH, "41 + 1", "40 + 2"), ("build", "build"), "patch.1.0001-sum.patch"),
        ((PATCH, "Why: so", "Why: just so"), ("nothing", "nothing"), ""),
        ((BASE, "", OPTION), ("build", "build"), "config-settings.quiet"),
        ((TOP, "", OPTION), ("nothing", "build"), "config-settings.quiet"),
        ((BASE, "", VALUE), ("build", "build"), "environment.A"),
        ((TOP, "", VALUE), ("nothing", "build"), "environment.A"),
        (("recipes/tinybase/build.lock", "--hash", ONE_HASH_MORE), ("build", "build"), "requirement."),
        ((BASE, "compilers", "# a comment\ncompilers"), ("nothing", "nothing"), ""),
        ((BASE, "a small thing", "a tiny thing"), ("nothing", "nothing"), ""),
        (("pyproject.toml", "jobs = 1", "jobs = 2"), ("nothing", "nothing"), ""),
        (("pyproject.toml", "no BLAS", "without BLAS"), ("nothing", "nothing"), ""),
        ((SMOKE, "== 42", "== 6 * 7"), ("gate", "nothing"), "nothing is compiled"),
        ((TOP, "", "[expect]\ntests = false\n"), ("nothing", "gate"), "nothing is compiled"),
    ],
)
def test_a_change_rebuilds_exactly_what_it_must(
    chain: Settings, edited: tuple[str, str, str], expected: tuple[str, str], why: str
) -> None:
    path, old, new = edited
    edit(chain, path, old, new)
    found = decisions(chain)
    assert (found["tinybase"][0], found["tinytop"][0]) == expected
    assert why in " ".join(reason for action, reason in found.values() if action != "nothing")
    if expected == ("build", "build"):
        assert "upstream.tinybase" in found["tinytop"][1]


@pytest.mark.slow  # gates twice; the decision is tested above
def test_a_changed_smoke_test_is_run_and_nothing_compiled(chain: Settings) -> None:
    sha256 = run_farm(chain, "tinybase").record("tinybase").wheel.sha256
    edit(chain, "recipes/tinybase/smoke.py", "import tinybase", "import tinybase\nprint('smoking again')")
    run = run_farm(chain)
    assert run.states == {"tinybase": "checked", "tinytop": "cached"}
    assert "smoking again" in run.lines
    assert run.record("tinybase").wheel.sha256 == sha256
    assert run_farm(chain).states == {"tinybase": "cached", "tinytop": "cached"}


@pytest.mark.slow
def test_a_changed_smoke_test_that_fails_leaves_the_stored_wheel_as_it_was(chain: Settings) -> None:
    before = snapshot(chain.wheelhouse)
    edit(chain, "recipes/tinybase/smoke.py", "== 42", "== 43")
    run = run_farm(chain)
    assert run.states == {"tinybase": "failed", "tinytop": "blocked"}
    assert run.error("tinybase").slug == "test"
    assert snapshot(chain.wheelhouse) == before


@pytest.mark.slow
def test_back_to_an_older_state_points_to_the_stored_wheel(chain: Settings) -> None:
    recipe = chain.root / TOP
    old = recipe.read_text()
    first = run_farm(chain).wheel("tinytop")
    edit(chain, TOP, "", VALUE)
    assert run_farm(chain).states == {"tinybase": "cached", "tinytop": "built"}
    recipe.write_text(old)
    assert decisions(chain)["tinytop"][0] == "activate"
    run = run_farm(chain)
    assert run.states["tinytop"] == "cached"
    assert run.wheel("tinytop") == first
    assert decisions(chain)["tinytop"][0] == "nothing"
    check_tidy(chain.wheelhouse, VARIANT)


@pytest.mark.slow
def test_the_same_inputs_make_the_same_bytes(chain: Settings) -> None:
    shas = set()
    for _ in range(2):
        for path in (chain.wheelhouse / VARIANT / "records").iterdir():
            path.unlink()
        run = run_farm(chain, "tinybase")
        assert run.states == {"tinybase": "built"}
        shas.add(run.record("tinybase").wheel.sha256)
    assert len(shas) == 1


def test_a_wheel_with_other_bytes_upstream_rebuilds_what_was_built_on_it(chain: Settings) -> None:
    """Even when its build key is the same."""
    (record,) = [
        path
        for path in (chain.wheelhouse / VARIANT / "records").iterdir()
        if json.loads(path.read_text())["recipe"] == "tinytop"
    ]
    text = json.loads(record.read_text())
    text["upstream"][0]["sha256"] = "0" * 64
    record.write_text(json.dumps(text))
    action, why = decisions(chain)["tinytop"]
    assert action == "build"
    assert "has other bytes" in why


@pytest.mark.slow
def test_a_truncated_stored_wheel_is_built_again(chain: Settings) -> None:
    wheel = run_farm(chain).wheel("tinybase")
    wheel.write_bytes(wheel.read_bytes()[:-100])
    run = run_farm(chain, "tinybase")
    assert run.states == {"tinybase": "built"}
    check_whole(chain.wheelhouse, VARIANT)


@pytest.mark.slow
def test_a_changed_stored_wheel_is_never_built_on(chain: Settings) -> None:
    """Its size is the same: only its digest tells."""
    wheel = run_farm(chain).wheel("tinybase")
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.write_bytes(content)
    edit(chain, TOP, "", VALUE)
    run = run_farm(chain)
    assert run.states == {"tinybase": "built", "tinytop": "built"}
    assert "damaged" in run.outcomes["tinybase"].why
    upstream = run.record("tinytop").upstream
    assert [wheel.sha256 for wheel in upstream] == [sha256_of_file(run.wheel("tinybase"))]
