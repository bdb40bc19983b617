"""Which release of a project a new recipe is for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from pypi_simple import DistributionPackage

from support.raised import only
from wheelfarm.errors import SourceError
from wheelfarm.model import Python, parse_name
from wheelfarm.recipes.draft.release import Policy, choose_release, find_newer
from wheelfarm.sources.project import Project
from wheelfarm.sources.simple_page import read_page

NOW: Final = datetime(2026, 6, 30, tzinfo=UTC)
OLD: Final = NOW - timedelta(days=100)
DIGEST: Final = "a" * 64


def sdist(version: str, **values: Any) -> DistributionPackage:
    return file(f"leaf-{version}.tar.gz", version, "sdist", **values)


def wheel(version: str, tag: str = "cp311-cp311-win_amd64", **values: Any) -> DistributionPackage:
    return file(f"leaf-{version}-{tag}.whl", version, "wheel", **values)


def file(filename: str, version: str, kind: str, **values: Any) -> DistributionPackage:
    known = {"digests": {"sha256": DIGEST}, "requires_python": None, "has_sig": None, "upload_time": OLD}
    return DistributionPackage(
        filename=filename,
        project="leaf",
        version=version,
        package_type=kind,
        url=f"https://index.invalid/{filename}",
        **(known | values),
    )


def project(*files: DistributionPackage) -> Project:
    return Project(parse_name("leaf"), "https://index.invalid/simple/leaf/", files)


def policy(**values: Any) -> Policy:
    known: dict[str, Any] = {"pythons": (Python.parse("3.11"),), "now": NOW, "min_age": timedelta(days=7)}
    return Policy(**(known | values))


def test_the_newest_release_is_chosen_by_its_version_and_not_by_its_place() -> None:
    found = choose_release(project(sdist("1.10"), sdist("1.9"), wheel("1.10")), policy())
    assert (found.version, found.filename, found.sha256) == ("1.10", "leaf-1.10.tar.gz", DIGEST)
    assert found.notes == ()
    assert found.pure is False


def test_a_release_that_is_too_young_is_left_out_and_said() -> None:
    young = sdist("2.0", upload_time=NOW - timedelta(days=6, hours=23))
    found = choose_release(project(sdist("1.0"), young), policy())
    assert found.version == "1.0"
    assert found.notes == ("leaf 2.0 is left out: it is 6 days old, and --min-age is 7",)
    assert choose_release(project(sdist("1.0"), young), policy(min_age=timedelta(0))).version == "2.0"


def test_the_version_that_is_named_is_taken_though_it_is_young() -> None:
    young = sdist("2.0", upload_time=NOW)
    found = choose_release(project(sdist("1.0"), young), policy(), "2.0")
    assert (found.version, found.notes) == ("2.0", ("2.0 is only 0 days old",))


@pytest.mark.parametrize("version", ["2.0rc1", "2.0.dev3", "2.0a1"])
def test_a_pre_release_is_chosen_only_if_requested(version: str) -> None:
    both = project(sdist("1.0"), sdist(version))
    assert choose_release(both, policy()).version == "1.0"
    assert choose_release(both, policy(prereleases=True)).version == version
    assert choose_release(both, policy(), version).version == version


def test_a_yanked_release_is_chosen_only_by_name() -> None:
    both = project(sdist("1.0"), sdist("2.0", is_yanked=True, yanked_reason="broken"))
    found = choose_release(both, policy())
    assert (found.version, found.notes) == ("1.0", ("leaf 2.0 is left out: it is yanked (broken)",))
    assert choose_release(both, policy(), "2.0").notes == ("2.0 is yanked",)


def test_a_release_for_other_pythons_is_left_out() -> None:
    both = project(sdist("1.0", requires_python=">=3.8"), sdist("2.0", requires_python=">=3.12"))
    found = choose_release(both, policy())
    assert found.version == "1.0"
    assert found.notes == ("leaf 2.0 is left out: it requires Python >=3.12, and this farm builds for 3.11",)
    error = only(lambda: choose_release(both, policy(), "2.0"), SourceError)
    assert error.what == "leaf 2.0 is not for the Pythons of this farm"
    assert str(error.hint).startswith("inv recipe.new leaf==1.0, or set `pythons`")


def test_a_correction_of_python_that_is_required_is_no_other_python() -> None:
    assert choose_release(project(sdist("1.0", requires_python=">=3.11.4,<4")), policy()).version == "1.0"


def test_an_index_without_dates_is_said_and_an_error_only_if_requested() -> None:
    undated = project(sdist("1.0", upload_time=None))
    (note,) = choose_release(undated, policy()).notes
    assert note.startswith("the index gives no dates for leaf: ")
    assert choose_release(undated, policy(min_age=timedelta(0))).notes == ()
    error = only(lambda: choose_release(undated, policy(require_dates=True)), SourceError)
    assert error.what == "the index gives no dates for leaf"


def test_an_age_that_somebody_states_holds_for_a_version_that_is_named() -> None:
    stated = policy(enforced=True)
    young = project(sdist("1.0"), sdist("2.0", upload_time=NOW - timedelta(days=2)))
    error = only(lambda: choose_release(young, stated, "2.0"), SourceError)
    assert (error.what, error.why) == ("leaf 2.0 is too young", "it is 2 days old, and --min-age is 7")
    assert error.hint == "check no ages: inv recipe.new leaf --min-age 0"
    bump = policy(enforced=True, command="inv recipe.bump")
    hint = only(lambda: choose_release(young, bump, "2.0"), SourceError).hint
    assert str(hint).endswith('[min-age-exempt]\nleaf = "..."')
    undated = project(sdist("1.0", upload_time=None))
    for version in ("1.0", None):
        error = only(partial(choose_release, undated, stated, version), SourceError)
        assert error.what == "the index gives no dates for leaf"
        assert str(error.why).startswith("--min-age is 7")
    without = policy(enforced=True, min_age=timedelta(0))
    assert choose_release(young, without, "2.0").notes == choose_release(undated, without, "1.0").notes == ()


def test_a_date_in_the_future_says_that_a_clock_is_off() -> None:
    later = project(sdist("1.0"), sdist("2.0", upload_time=NOW + timedelta(days=1)))
    (note,) = choose_release(later, policy()).notes
    assert note.startswith("leaf 2.0 is left out: its date, ")
    assert note.endswith(" is in the future: the clock of the index, or of this machine, is off")
    (note,) = choose_release(later, policy(), "2.0").notes
    assert "is in the future" in note


def test_only_wheels_is_an_error_that_says_what_to_do() -> None:
    error = only(lambda: choose_release(project(sdist("1.0"), wheel("2.0")), policy()), SourceError)
    assert error.what == "the index has only wheels of leaf 2.0"
    assert "git repository" in str(error.hint)
    pure = project(wheel("2.0", "py3-none-any"))
    error = only(lambda: choose_release(pure, policy()), SourceError)
    assert f'source = {{ kind = "wheel", sha256 = "{DIGEST}" }}' in str(error.hint)


def test_no_suitable_release_says_why_of_each() -> None:
    files = [sdist(f"1.{minor}", upload_time=NOW) for minor in range(7)]
    error = only(lambda: choose_release(project(*files), policy()), SourceError)
    assert error.what == "the index has no suitable release of leaf"
    assert str(error.why).startswith(
        "leaf 1.6, 1.5, 1.4, 1.3, 1.2 and 2 more are left out: each is 0 days old"
    )
    assert error.hint == "name the version that you want: inv recipe.new leaf==1.6"
    empty = only(lambda: choose_release(project(), policy()), SourceError)
    assert empty.why == "its page lists no files"


def test_a_version_that_is_not_there_names_the_nearest() -> None:
    error = only(lambda: choose_release(project(sdist("1.0")), policy(), "3.0"), SourceError)
    assert (error.what, error.why) == ("the index has no leaf 3.0", "the nearest versions are 1.0")


def test_an_index_without_digests_is_an_error() -> None:
    error = only(lambda: choose_release(project(sdist("1.0", digests={})), policy()), SourceError)
    assert error.what == "the index gives no sha256 of leaf-1.0.tar.gz"


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 20))
def test_no_older_release_is_chosen_than_must_be(ages: list[int], least: int) -> None:
    """The newest version among those that are old enough, whatever the order of the uploads."""
    files = [sdist(f"1.{minor}", upload_time=NOW - timedelta(days=age)) for minor, age in enumerate(ages)]
    suitable = [minor for minor, age in enumerate(ages) if age >= least]
    within = policy(min_age=timedelta(days=least))
    if suitable:
        assert choose_release(project(*files), within).version == f"1.{max(suitable)}"
        assert Version(f"1.{max(suitable)}") >= Version("1.0")
    else:
        only(lambda: choose_release(project(*files), within), SourceError)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-05-01T10:00:00Z", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T10:00:00.5+02:00", datetime(2026, 5, 1, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_page_in_html_may_have_dates(text: str, time: datetime | None) -> None:
    page = f'<a href="leaf-1.0.tar.gz#sha256={DIGEST}" data-upload-time="{text}">leaf-1.0.tar.gz</a>'
    (found,) = read_page(page.encode(), "text/html", url="https://index.invalid/leaf/", name="leaf")
    assert found.upload_time == time


def test_the_newest_suitable_release_above_a_version() -> None:
    young = sdist("3.0", upload_time=NOW)
    found, notes = find_newer(project(sdist("1.0"), sdist("2.0"), young), policy(), "1.0")
    assert found is not None
    assert (found.version, notes) == (
        "2.0",
        ("leaf 3.0 is left out: it is 0 days old, and --min-age is 7",),
    )
    assert found.notes == notes


def test_nothing_suitable_above_a_version_is_no_error() -> None:
    later = [sdist(version, requires_python=">=3.12") for version in ("1.1", "1.2")]
    found, notes = find_newer(project(sdist("1.0"), *later, sdist("2.0rc1")), policy(), "1.0")
    assert found is None
    assert notes == (
        "leaf 1.2, 1.1 are left out: each requires Python >=3.12, and this farm builds for 3.11",
    )
    assert find_newer(project(sdist("1.0")), policy(), "1.0") == (None, ())
    assert find_newer(project(sdist("0.9")), policy(), "1.0rc1") == (None, ())


def test_a_public_wheel_above_a_version() -> None:
    pure = wheel("2.0", "py3-none-any", digests={"sha256": "b" * 64})
    found, _ = find_newer(project(wheel("2.0"), pure), policy(), "1.0", pure_wheel=True)
    assert found is not None
    assert (found.filename, found.sha256) == ("leaf-2.0-py3-none-any.whl", "b" * 64)
    error = only(lambda: find_newer(project(sdist("2.0")), policy(), "1.0", pure_wheel=True), SourceError)
    assert error.what == "the index has no wheel for any platform of leaf 2.0"
