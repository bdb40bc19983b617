"""inv recipe.bump as one types it: answers, errors and exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.farm import make_farm
from support.index import Index
from support.packages import make_sdist

if TYPE_CHECKING:
    from pathlib import Path

    from support.farm import Table


@pytest.fixture
def farm(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    """A farm with a recipe that has a newer version, one that has not, and one whose source is an archive."""
    index, sources = Index(tmp_path / "index"), tmp_path / "sources"
    sources.mkdir()
    for name, versions in {"older": ("1.0", "1.1", "2.0"), "newest": ("1.0", "1.1rc1")}.items():
        index.add(*(make_sdist(sources, name, {}, version=version) for version in versions))
    archive = {"kind": "archive", "url": "https://index.invalid/unlisted-1.0.tar.gz", "sha256": "a" * 64}
    patch = {"file": "1.patch", "versions": "<2"}
    recipes: dict[str, Table] = {"older": {"patches": [patch]}, "newest": {}, "unlisted": {"source": archive}}
    patches = {"older/1.patch": "Why: a test\nUpstream: none\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+b\n"}
    settings = {"index-url": index.url, "min-age": 0}
    make_farm(tmp_path / "farm", recipes, settings=settings, patches=patches)
    return Door(tmp_path / "farm", capsys, monkeypatch)


def test_a_check_says_what_is_newer_and_changes_nothing(farm: Door) -> None:
    before = {path: path.read_bytes() for path in farm.root.rglob("*") if path.is_file()}
    finished = farm.inv("recipe.bump", "all", "--check", "--min-age=0")
    assert finished.returncode == 15
    assert finished.stdout.splitlines() == [
        "newest    1.0 is the newest",
        "older     1.0 → 2.0",
        '  1.patch: its versions = "<2" exclude 2.0',
        "unlisted  1.0: the farm cannot know whether there is a newer one",
        "  an archive at a url has no list of its versions: inv recipe.bump unlisted==VERSION",
    ]
    assert "error[outdated]: 1 recipe is not for the newest version" in finished.stderr
    assert "next: inv recipe.bump older" in finished.stderr
    assert {path: path.read_bytes() for path in farm.root.rglob("*") if path.is_file()} == before


def test_a_check_of_what_is_the_newest_ends_well(farm: Door) -> None:
    finished = farm.inv("recipe.bump", "newest,unlisted", "--check", "--json")
    assert finished.returncode == 0
    assert [(each["newer"], each["known"]) for each in json.loads(finished.stdout)] == [
        (None, True),
        (None, False),
    ]
    finished = farm.inv("recipe.bump", "newest", "--check", "--json", "--prereleases")
    assert finished.returncode == 15
    assert json.loads(finished.stdout)[0]["newer"] == "1.1rc1"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["oldre"], 2, "did you mean 'older'?"),
        (["older==2.0", "--check"], 2, "--check looks for the newest version"),
        (["older==7"], 21, "the index has no older 7"),
        (["older", "--min-age=soon"], 2, "--min-age: 'soon' is not a number of days"),
        (["older", "--min-age=7", "--check"], 21, "the index gives no dates for older"),
        (["older==2.0", "--min-age=7"], 21, "[min-age-exempt]"),
        (["older"], 30, "1 patch of older is not for 2.0"),
        (["unlisted==1.0.0.1"], 20, "index.invalid"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], code: int, text: str, farm: Door) -> None:
    before = (farm / "recipes/older/recipe.toml").read_bytes()
    finished = farm.inv("recipe.bump", *words)
    assert finished.returncode == code
    assert text in finished.stderr
    assert (farm / "recipes/older/recipe.toml").read_bytes() == before


def test_one_recipe_that_fails_stops_no_other_one(farm: Door) -> None:
    finished = farm.inv("recipe.bump", "all", "--json")
    assert finished.returncode == 30
    assert [each["name"] for each in json.loads(finished.stdout)] == ["newest", "unlisted"]


def test_what_is_younger_than_seven_days_is_no_newest_unless_the_recipe_exempts_it(farm: Door) -> None:
    root, today = farm.root, datetime.now(UTC)
    (root / "pyproject.toml").write_text((root / "pyproject.toml").read_text().replace("min-age = 0\n", ""))
    finished = farm.inv("recipe.bump", "older", "--check")
    assert finished.returncode == 21
    assert "the index gives no dates for older" in finished.stderr
    ages = {"1.0": 90, "1.1": 8, "2.0": 6}
    index = Index(root.parent / "index")
    index.date(
        {f"older-{each}.tar.gz": f"{today - timedelta(days=age):%FT%TZ}" for each, age in ages.items()}
    )
    finished = farm.inv("recipe.bump", "older", "--check", "--json")
    assert json.loads(finished.stdout)[0]["newer"] == "1.1"
    finished = farm.inv("recipe.bump", "older==2.0")
    assert finished.returncode == 21
    assert "error[source]: older 2.0 is too young" in finished.stderr
    assert "it is 6 days old, and --min-age is 7" in finished.stderr
    recipe = root / "recipes/older/recipe.toml"
    recipe.write_text(f'min-age-exempt.older = "2.0 mends a hole"\n{recipe.read_text()}')
    finished = farm.inv("recipe.bump", "older", "--check", "--json")
    assert json.loads(finished.stdout)[0]["newer"] == "2.0"
