"""What is too young for a farm: sources and locked requirements of indexes with and without dates."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.farm import make_farm
from support.index import Index
from support.locks import compile_lock
from support.raised import only
from support.tiny import tiny_farm, tiny_index
from support.wheels import make_wheel
from wheelfarm.errors import Collector, LockError, RecipeError
from wheelfarm.recipes.lock_checks import check_exemptions, check_locks
from wheelfarm.recipes.lock_compiler import targets_of
from wheelfarm.recipes.lock_header import read_header
from wheelfarm.recipes.locks import parse_lines
from wheelfarm.recipes.recipe_set import read_recipe, read_recipes
from wheelfarm.recipes.release_age import AgeLimit, check_source_age
from wheelfarm.run.services import make_fetcher
from wheelfarm.sources.simple_page import read_page

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pypi_simple import DistributionPackage

    from support.farm import Table
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe

NOW: Final = datetime(2026, 6, 30, 12, tzinfo=UTC)
LIMIT: Final = AgeLimit(now=NOW, min_age=timedelta(days=7), enforced=True)
OLD: Final = "2026-01-01T00:00:00Z"
YOUNG: Final = "2026-06-28T00:00:00Z"
FUTURE: Final = "2036-01-01T00:00:00Z"


def name_of(release: str) -> str:
    return f"{release}-py3-none-any.whl"


@dataclass
class Farm:
    """A farm that takes over the wheel `leaf`, which requires `tool`, from an index with these dates.

    Args:
        root: where all of it is.
        dates: release, as tool-1.0 → its date; a release without one is not on the index, and one with an
            empty date has none there.
        recipe: what the recipe says more.
    """

    root: Path
    dates: Mapping[str, str]
    recipe: Table = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index = Index(self.root / "index")
        made = self.root / "made"
        made.mkdir()
        requires = {"leaf": ["tool"], "tool": ["inner"]}
        for release in self.dates:
            name, _, version = release.rpartition("-")
            self.index.add(make_wheel(made, name, version, {}, requires=requires.get(name, [])))
        self.index.date({name_of(release): date for release, date in self.dates.items() if date})
        source = {"kind": "wheel", "sha256": self.index.sha256(name_of("leaf-1.0"))}
        table: dict[str, Any] = {"source": source, "compilers": [], **self.recipe}
        self.settings = make_farm(self.root / "farm", {"leaf": table}, settings={"index-url": self.index.url})

    @property
    def loaded(self) -> LoadedRecipe:
        return read_recipe(self.settings.recipes / "leaf", self.settings)

    def lock(self, age: AgeLimit | None = LIMIT) -> dict[str, str]:
        """The locks, which are written too."""
        locks = compile_lock(self.settings, "leaf", age)
        for name, text in locks.items():
            (self.settings.recipes / "leaf" / name).write_text(text)
        return locks

    def pinned(self, age: AgeLimit | None = LIMIT) -> dict[str, str]:
        return {line.name: line.version for line in parse_lines(self.lock(age)["test.lock"], "test.lock")}

    def refusal(self) -> LockError:
        error = only(self.lock, LockError)
        assert isinstance(error, LockError)
        return error


DATED: Final = {"leaf-1.0": OLD, "tool-1.0": OLD, "tool-1.1": YOUNG, "inner-1.0": OLD}


def test_a_lock_pins_nothing_that_is_younger(tmp_path: Path) -> None:
    farm = Farm(tmp_path, DATED)
    assert farm.pinned(None) == {"tool": "1.1", "inner": "1.0"}
    assert farm.pinned(replace(LIMIT, min_age=timedelta(0))) == {"tool": "1.1", "inner": "1.0"}
    assert farm.pinned(replace(LIMIT, min_age=timedelta(days=1))) == {"tool": "1.1", "inner": "1.0"}
    assert farm.pinned() == {"tool": "1.0", "inner": "1.0"}


def test_a_lock_says_the_age_that_it_was_made_with_and_is_not_stale_for_it(tmp_path: Path) -> None:
    farm, problems = Farm(tmp_path, DATED), Collector()
    farm.lock()
    for name in ("build.lock", "test.lock"):
        header = read_header(farm.settings.recipes / "leaf" / name)
        assert header is not None
        assert header.min_age == 7
    loaded = farm.loaded
    check_locks(loaded, read_recipes(farm.settings), targets_of(farm.settings), problems)
    assert problems.errors == []
    assert "min-age" not in farm.lock(None)["test.lock"]


def test_a_requirement_that_is_too_young_names_it_its_age_and_the_exemption(tmp_path: Path) -> None:
    error = Farm(tmp_path, {**DATED, "tool-1.0": YOUNG}).refusal()
    assert error.what == "requirements of leaf are too young"
    assert error.why == "tool 1.1: it is 2 days old, and --min-age is 7"
    assert str(error.hint).startswith("record why in recipes/leaf/recipe.toml, or ")
    assert str(error.hint).endswith('[min-age-exempt]\ntool = "..."')


def test_what_a_requirement_brings_counts_too(tmp_path: Path) -> None:
    error = Farm(tmp_path, {**DATED, "inner-1.0": YOUNG}).refusal()
    assert error.why == "inner 1.0: it is 2 days old, and --min-age is 7"


def test_an_exemption_lets_one_distribution_pass_and_stands_in_the_recipe(tmp_path: Path) -> None:
    exempt = {"min-age-exempt": {"Inner": "1.0 is the first one"}}
    farm = Farm(tmp_path, {**DATED, "inner-1.0": YOUNG}, exempt)
    assert farm.pinned() == {"tool": "1.0", "inner": "1.0"}
    problems = Collector()
    check_exemptions(farm.loaded, problems)
    assert problems.errors == []


def test_an_exemption_without_a_reason_is_an_error(tmp_path: Path) -> None:
    farm = Farm(tmp_path, DATED, {"min-age-exempt": {"tool": " "}})
    error = only(lambda: farm.loaded, RecipeError)
    assert "a reason in words" in str(error)


def test_an_exemption_that_nothing_needs_is_an_error_of_check(tmp_path: Path) -> None:
    farm, problems = Farm(tmp_path, DATED, {"min-age-exempt": {"tool": "x", "nosuch": "x"}}), Collector()
    farm.lock()
    check_exemptions(farm.loaded, problems)
    (error,) = problems.errors
    assert error.what == "leaf exempts nosuch from --min-age, and no lock of it pins nosuch"


def test_an_index_without_dates_is_an_error_that_names_it(tmp_path: Path) -> None:
    farm = Farm(tmp_path, {**DATED, "tool-1.0": "", "tool-1.1": ""})
    error = farm.refusal()
    assert error.what == "the index gives no dates for tool"
    assert error.why == f"--min-age is 7, and {farm.index.url}tool/ has no upload-time (PEP 700)"
    assert "check no ages by --min-age 0" in str(error.hint)


def test_an_exemption_holds_for_what_has_no_date(tmp_path: Path) -> None:
    exempt = {"min-age-exempt": {"tool": "ours, and its index gives no dates"}}
    assert Farm(tmp_path, {**DATED, "tool-1.1": ""}, exempt).pinned() == {"tool": "1.1", "inner": "1.0"}


def test_a_file_without_a_date_beside_others_is_left_out(tmp_path: Path) -> None:
    assert Farm(tmp_path, {**DATED, "tool-1.1": ""}).pinned() == {"tool": "1.0", "inner": "1.0"}


@pytest.mark.parametrize("date", ["yesterday", "1767225600", "2026-13-01T00:00:00Z"])
def test_a_malformed_date_is_none_and_a_warning_has_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, date: str
) -> None:
    error = Farm(tmp_path, {**DATED, "tool-1.0": date, "tool-1.1": date}).refusal()
    assert error.what == "the index gives no dates for tool"
    assert any(
        f"/tool/index.html: data-upload-time of 2 files, such as '{date}', is no date" in each
        for each in caplog.messages
    )


def test_a_date_in_the_future_says_that_a_clock_is_off(tmp_path: Path) -> None:
    error = Farm(tmp_path, {**DATED, "tool-1.0": FUTURE, "tool-1.1": FUTURE}).refusal()
    assert error.why == (
        "tool 1.1: its date, 2036-01-01 00:00 UTC, is in the future: "
        "the clock of the index, or of this machine, is off"
    )


def test_requirements_that_do_not_resolve_for_another_reason_say_that(tmp_path: Path) -> None:
    farm = Farm(tmp_path, dict.fromkeys(("leaf-1.0", "tool-1.0"), OLD))
    error = farm.refusal()
    assert error.what == "the requirements of leaf do not resolve"
    assert "inner" in str(error.why)


def test_an_age_that_nobody_states_is_not_enforced_on_an_index_without_dates(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    farm, default = Farm(tmp_path, dict.fromkeys(DATED, "")), replace(LIMIT, enforced=False)
    assert farm.pinned(default) == {"tool": "1.1", "inner": "1.0"}
    (message,) = (each.getMessage() for each in caplog.records if each.levelno == logging.WARNING)
    assert message.endswith("nobody has checked that what the locks pin is at least 7 days old")
    assert "min-age" not in farm.lock(default)["test.lock"]


def test_an_age_that_nobody_states_holds_where_the_index_gives_dates(tmp_path: Path) -> None:
    assert Farm(tmp_path, DATED).pinned(replace(LIMIT, enforced=False)) == {"tool": "1.0", "inner": "1.0"}


class TestSource:
    @pytest.mark.parametrize(
        ("date", "why"),
        [
            (YOUNG, "it is 2 days old, and --min-age is 7"),
            (FUTURE, "is in the future"),
            ("", "has no upload-time (PEP 700)"),
        ],
    )
    def test_one_that_is_too_young_or_has_no_date(self, tmp_path: Path, date: str, why: str) -> None:
        error = Farm(tmp_path, {**DATED, "leaf-1.0": date}).refusal()
        assert "the source of leaf 1.0" in error.what
        assert why in str(error.why)
        assert error.where == "recipes/leaf/recipe.toml: source"

    def test_its_recipe_may_exempt_it(self, tmp_path: Path) -> None:
        exempt = {"min-age-exempt": {"leaf": "it closes CVE-2026-1"}}
        farm, problems = Farm(tmp_path, {**DATED, "leaf-1.0": YOUNG}, exempt), Collector()
        assert farm.pinned() == {"tool": "1.0", "inner": "1.0"}
        check_exemptions(farm.loaded, problems)
        assert problems.errors == []

    @pytest.mark.parametrize(
        "source",
        [
            {"kind": "archive", "url": "https://index.invalid/leaf-1.0.tar.gz", "sha256": "a" * 64},
            {"kind": "git", "url": "https://index.invalid/leaf.git", "commit": "a" * 40, "sha256": None},
        ],
    )
    def test_one_that_is_not_of_the_index_has_no_date(self, tmp_path: Path, source: Table) -> None:
        settings = make_farm(tmp_path, {"leaf": {"source": source}})
        recipe = read_recipe(settings.recipes / "leaf", settings)
        check = partial(check_source_age, recipe, make_fetcher(settings), LIMIT)
        error = only(check, LockError)
        assert error.what == "the age of the source of leaf 1.0 is not known"
        assert "has no date that somebody else vouches for" in str(error.why)


@pytest.mark.slow
def test_build_requirements_of_a_source_are_not_younger(tmp_path: Path) -> None:
    index = tiny_index(tmp_path / "index")
    index.add(*(make_wheel(index.root, "tool", version, {}) for version in ("1.0", "1.1")))
    index.add(make_wheel(index.root, "colorama", "1.0", {}))
    files = {path.name: OLD for path in (index.root / "files").iterdir()}
    index.date(files | {name_of("tool-1.1"): YOUNG})
    settings = tiny_farm(tmp_path / "farm", index, {"tinyleaf": {"build-requires": {"add": ["tool"]}}})
    locks = [compile_lock(settings, "tinyleaf", age)["build.lock"] for age in (None, LIMIT)]
    newest, limited = ({str(line.name): line.version for line in parse_lines(text, "")} for text in locks)
    assert (newest["tool"], limited["tool"]) == ("1.1", "1.0")
    assert newest | {"tool": "1.0"} == limited


def test_a_date_in_json_that_is_none_makes_no_page() -> None:
    kind, url = "application/vnd.pypi.simple.v1+json", "https://index.invalid/x/"

    def read(date: str) -> list[DistributionPackage]:
        file = {
            "filename": "x-1.0.tar.gz",
            "url": "x-1.0.tar.gz",
            "hashes": {},
            "size": 3,
            "upload-time": date,
        }
        page = {"meta": {"api-version": "1.1"}, "name": "x", "versions": ["1.0"], "files": [file]}
        return read_page(json.dumps(page).encode(), kind, url=url, name="x")

    with pytest.raises(ValueError, match="upload-time"):
        read("yesterday")
    (file,) = read("2026-01-01T00:00:00")
    assert file.upload_time == datetime(2026, 1, 1, tzinfo=UTC)


@given(st.integers(-400, 400), st.integers(1, 100))
def test_a_file_is_old_enough_exactly_where_uv_would_take_it(age: int, least: int) -> None:
    """uv takes what was uploaded before the cutoff."""
    limit = AgeLimit(now=NOW, min_age=timedelta(days=least))
    uploaded = NOW - timedelta(days=age)
    before = uploaded <= datetime.fromisoformat(limit.cutoff)
    assert (limit.find_fault(uploaded) is None) is before
    assert ("future" in str(limit.find_fault(uploaded))) is (age < 0)
