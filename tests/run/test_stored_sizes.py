"""Sizes of stored wheels: measured into sizes.toml, guarded by the gate, compared with the wheel before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.farm import HERE
from support.records import sample_record
from support.tiny import run_farm
from wheelfarm.errors import ExpectationError
from wheelfarm.model import EngineName
from wheelfarm.recipes.settings import load
from wheelfarm.recipes.sizes import MeasuredSize, render_sizes
from wheelfarm.run.stored_sizes import grown, growth

if TYPE_CHECKING:
    from wheelfarm.provenance.record import Record
    from wheelfarm.recipes.settings import Settings


def record(**sizes: int) -> Record:
    return sample_record(sizes=sizes)


def test_a_wheel_that_has_grown_says_by_what() -> None:
    before = record(extension=9_000_000, python=1_000_000, data=500_000)
    now = record(extension=9_200_000, python=900_000, library=50_000, data=500_000)
    (warning,) = grown(now, before)
    what, _, kinds = warning.partition(": ")
    assert what == "the wheel has grown by 1.4%, to 10,650,000 bytes unpacked"
    assert kinds == "extension +200,000 bytes, library +50,000 bytes"


@pytest.mark.parametrize("size", [1, 1_000_000, 1_010_000])
def test_a_wheel_of_the_same_size_or_smaller_has_not_grown(size: int) -> None:
    assert grown(record(extension=size), record(extension=1_000_000)) == ()
    assert grown(record(extension=size), None) == ()


def test_growth_from_an_empty_wheel_is_none() -> None:
    assert growth(record(extension=1), record()) is None


@pytest.fixture
def farm(chain: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(chain.root, capsys, monkeypatch)


def write_sizes(settings: Settings, factor: float) -> MeasuredSize:
    """Say that the wheel of tinybase measured so many times what it does; gives what it does."""
    (path,) = (settings.wheelhouse / "plain" / "records").parent.rglob("tinybase-*.whl")
    (text,) = (
        each.read_text("utf-8")
        for each in (settings.wheelhouse / "plain" / "records").glob("*.json")
        if path.name in each.read_text("utf-8")
        and json.loads(each.read_text("utf-8"))["recipe"] == "tinybase"
    )
    found = json.loads(text)
    real = MeasuredSize(file=found["wheel"]["size"], unpacked=sum(found["sizes"].values()))
    said = MeasuredSize(file=real.file, unpacked=round(real.unpacked * factor))
    sizes = render_sizes("tinybase", {"plain": {EngineName.HOST: {HERE: said}}})
    (settings.root / "recipes/tinybase/sizes.toml").write_text(sizes, encoding="utf-8")
    return real


def again(settings: Settings) -> Settings:
    """The settings of the same farm, whose files have changed."""
    return load(settings.root, environ=settings.environ)


class TestMeasuring:
    def test_stored_wheels_are_written_into_the_file(self, farm: Door) -> None:
        done = farm.inv("recipe.sizes", "all")
        assert done.returncode == 0, done.stderr
        header, base, top = done.stdout.splitlines()
        assert header.split()[3:] == ["target", "file", "limit", "unpacked", "limit"]
        assert base.split()[:5] == ["tinybase", "1.0", "plain", "host", HERE]
        assert top.startswith("tinytop")
        text = (farm.root / "recipes/tinybase/sizes.toml").read_text("utf-8")
        assert text.startswith("# `inv recipe.sizes tinybase` writes this file")
        assert f"\n[sizes.plain.host]\n{HERE} = {{ file = " in text
        # Now there are limits.
        again = farm.inv("recipe.sizes", "tinybase", "--json")
        (size,) = json.loads(again.stdout)
        assert size["file"] < size["limits"]["file"] <= size["file"] * 1.02
        assert size["unpacked"] < size["limits"]["unpacked"] <= size["unpacked"] * 1.02
        assert (farm.root / "recipes/tinybase/sizes.toml").read_text("utf-8") == text
        assert farm.inv("recipe.check", "all", "--sizes").returncode == 0

    def test_a_dry_run_writes_nothing(self, farm: Door) -> None:
        done = farm.inv("recipe.sizes", "all", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "tinybase 1.0" in done.stdout
        assert not list(farm.root.glob("recipes/*/sizes.toml"))

    def test_what_is_not_stored_cannot_be_measured(self, farm: Door) -> None:
        done = farm.inv("recipe.sizes", "tinybase", "--variant", "netlib")
        assert done.returncode == 2
        assert "the wheelhouse has no wheel of tinybase to measure" in done.stderr
        assert "next: nox -s build-tinybase" in done.stderr
        assert "unknown variant" in farm.inv("recipe.sizes", "all", "--variant", "plian").stderr

    def test_a_limit_that_guards_nothing_is_an_error_of_the_check(self, farm: Door, chain: Settings) -> None:
        write_sizes(chain, 1.5)
        assert farm.inv("recipe.check", "all").returncode == 0
        done = farm.inv("recipe.check", "all", "--sizes")
        assert done.returncode == 11
        assert f"tinybase (plain, {HERE}): a limit guards nothing" in done.stderr
        assert "max-size.unpacked = " in done.stderr
        assert "is more than 3 % above the wheel with its " in done.stderr
        assert "(recipes/tinybase/sizes.toml): inv recipe.sizes tinybase measures it" in done.stderr
        assert farm.inv("recipe.sizes", "tinybase").returncode == 0
        assert farm.inv("recipe.check", "all", "--sizes").returncode == 0


class TestGate:
    def test_a_wheel_beyond_its_measured_size_fails_until_somebody_agrees(self, chain: Settings) -> None:
        real = write_sizes(chain, 0.9)
        run = run_farm(again(chain), "tinybase")
        error = run.error("tinybase")
        assert isinstance(error, ExpectationError)
        assert "max-size.unpacked: expected at most " in error.what
        assert str(error.where).startswith("recipes/tinybase/sizes.toml")
        path, _, line = str(error.hint).partition("say so in ")[2].partition(", [sizes.plain.host]: ")
        assert line == f"{HERE} = {real}"
        # What the hint says, word by word.
        file = chain.root / path
        file.write_text(f"[sizes.plain.host]\n{line}\n", encoding="utf-8")
        assert run_farm(again(chain), "tinybase").states == {"tinybase": "checked"}

    def test_a_build_says_that_its_limit_is_loose(self, chain: Settings) -> None:
        write_sizes(chain, 1.5)
        recipe = chain.root / "recipes/tinybase/recipe.toml"
        recipe.write_text(recipe.read_text("utf-8") + '\n[environment]\nCFLAGS = "-O1"\n', encoding="utf-8")
        outcome = run_farm(again(chain), "tinybase").outcomes["tinybase"]
        assert outcome.state.value == "built", outcome.error
        (warning,) = [each for each in outcome.warnings if each.startswith("max-size.unpacked")]
        assert warning.endswith("inv recipe.sizes tinybase measures it")
