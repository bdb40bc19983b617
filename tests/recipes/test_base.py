"""Recipes of a farm over those of its base: what comes from where, layers, files, and bad bases."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from support.bases import PATCH, commit_farm, farm_over
from support.farm import LINUX, LOCK, builds_of, make_farm, write_farm
from support.raised import only, raised
from support.repositories import Repository
from wheelfarm import __version__
from wheelfarm.cli.farm_files import FarmFiles
from wheelfarm.errors import NetworkError, RecipeError, SettingsError, SourceError
from wheelfarm.model import Target
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.settings import Settings

ALPHA: dict[str, Any] = {
    "config-settings": {"setup-args": ["-Da=1"]},
    "environment": {"MODE": "base"},
    "variants": {"netlib": {"append": {"environment": {"NETLIB": "1"}}}},
    "patches": [{"file": "1.patch"}],
    "test": {"smoke": "smoke.py"},
}
BASE: dict[str, Any] = {
    "recipes": {"alpha": ALPHA, "beta": {"requires": {"host": ["alpha"]}}},
    "settings": {"defaults": {"environment": {"FARM": "base"}}},
    "patches": {"alpha/1.patch": PATCH},
    "files": {"recipes/alpha/smoke.py": "import alpha\n"},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A farm in a repository, and its commit."""
    root = tmp_path_factory.mktemp("base") / "acme"
    return root, commit_farm(root, **BASE)


def cache_of(base: tuple[Path, str]) -> str:
    """A cache that farms over a base share: its commit is fetched once."""
    return str(base[0].parent / "cache")


def over(
    tmp_path: Path, base: tuple[Path, str], recipe: str | None = None, /, **files_of_alpha: str
) -> Settings:
    """A farm over the base, whose recipe.toml of alpha is given."""
    files = {f"recipes/alpha/{name.replace('_', '.')}": text for name, text in files_of_alpha.items()}
    files |= {"recipes/alpha/recipe.toml": recipe} if recipe is not None else {}
    return farm_over(tmp_path / "own", *base, cache=cache_of(base), files=files)


def alpha(settings: Settings) -> LoadedRecipe:
    recipes = read_recipes(settings)
    recipes.check()
    return recipes.find("alpha")


def resolved(recipe: LoadedRecipe, variant: str = "plain") -> ResolvedRecipe:
    return recipe.resolve(variant=variant, target=Target.parse(LINUX))


def test_a_farm_without_files_of_its_own_has_all_of_the_base(tmp_path: Path, base: tuple[Path, str]) -> None:
    settings = over(tmp_path, base)
    assert {*settings.variants} == {"plain", "netlib"}
    assert [str(each.name) for each in read_recipes(settings)] == ["alpha", "beta"]
    recipe, label = alpha(settings), f"acme@{base[1][:12]}"
    assert recipe.where == f"{label}: recipes/alpha/recipe.toml"
    values = resolved(recipe, "netlib")
    assert values.environment == {"FARM": "base", "MODE": "base", "NETLIB": "1"} | {
        "LDFLAGS": "-Wl,--strip-all"
    }
    assert values.origins["environment.FARM"] == f"{label}: pyproject.toml: tool.wheelfarm.defaults"
    assert values.origins["environment.NETLIB"] == f"{recipe.where}: variants.netlib.append"
    assert values.origins["version"] == recipe.where
    assert recipe.pins("build.lock")
    (patch,) = recipe.series(variant="plain", target=Target.parse(LINUX))
    assert patch.read_text() == PATCH


def test_the_builds_are_those_that_the_base_makes_itself(tmp_path: Path, base: tuple[Path, str]) -> None:
    own, alone = over(tmp_path, base), make_farm(tmp_path / "alone", **BASE)
    keys = [{name: build.key for name, build in builds_of(settings).items()} for settings in (own, alone)]
    assert keys[0] == keys[1]


CHANGES = """
[append]
config-settings.setup-args = ["-Db=2"]
environment.OWN = "1"
patches = [{ file = "2.patch" }]
requires.run = ["beta2"]

[replace]
environment.MODE = "own"
summary = "ours"
source.sha256 = "{sha256}"

[variants.netlib.replace]
environment.NETLIB = "own"
"""


def test_a_recipe_lies_over_that_of_the_base_by_the_rules_of_layers(
    tmp_path: Path, base: tuple[Path, str]
) -> None:
    settings = over(
        tmp_path, base, CHANGES.replace('requires.run = ["beta2"]\n', "").replace("{sha256}", "c" * 64)
    )
    (settings.patches / "alpha").mkdir(parents=True)
    (settings.patches / "alpha/2.patch").write_text(PATCH)
    recipe, own = alpha(settings), "recipes/alpha/recipe.toml"
    below = f"acme@{base[1][:12]}: {own}"
    assert recipe.where == own
    values = resolved(recipe, "netlib")
    assert dict(values.config_settings.items)["setup-args"] == ("-Da=1", "-Db=2")
    assert values.origins["config-settings.setup-args"] == f"{below} + {own}: append"
    assert {values.environment[name] for name in ("MODE", "NETLIB")} == {"own"}
    assert values.origins["environment.NETLIB"] == f"{own}: variants.netlib.replace"
    assert recipe.table.summary == "ours"
    assert values.origins["summary"] == f"{own}: replace"
    assert values.origins["source"] == f"{below} + {own}: replace"
    assert values.origins["patches"] == f"{below} + {own}: append"
    assert recipe.table.source.kind == "sdist"
    series = recipe.series(variant="plain", target=Target.parse(LINUX))
    assert [path.name for path in series] == ["1.patch", "2.patch"]
    assert series[1].is_relative_to(settings.root / "patches")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[append]\nsummary = 'x'", "summary has a value already: it cannot be appended to"),
        ("[replace]\nmemory = '3G'", "memory has no value that could be replaced"),
        ("[replace]\nsource.url = 'x'", "source.url has no value that could be replaced"),
        ("[replace]\nversoin = '2.0'", "unknown key 'versoin'"),
        ("[append]\nsource.sum = 'x'", "unknown key 'sum'"),
        ("[replace.environment]\nMDOE = '1'", "environment.MDOE has no value that could be replaced"),
        (
            "[append.environment]\nMODE = '1'",
            "environment.MODE has a value already: it cannot be appended to",
        ),
        ("version = '2.0'\n[environment]\nA = '1'", "version, environment: neither appended nor replaced"),
        ("[farm.append.environment]\nA = '1'", "unknown key 'farm'"),
        ("[targets.'cp9*'.append.environment]\nA = '1'", "'cp9*' matches no target"),
        ("[variants.other.append.environment]\nA = '1'", "unknown variant 'other'"),
    ],
)
def test_what_fits_neither_farm_nor_base_is_an_error(
    tmp_path: Path, base: tuple[Path, str], text: str, what: str
) -> None:
    settings = over(tmp_path, base, text)

    def read() -> None:
        resolved(alpha(settings))

    assert what in [each.what for each in raised(read, RecipeError)]


def test_a_source_of_another_kind_is_replaced_as_a_whole(tmp_path: Path, base: tuple[Path, str]) -> None:
    text = f"[replace.source]\nkind = 'git'\nurl = 'https://example.org/a'\ncommit = '{'1' * 40}'\n"
    assert alpha(over(tmp_path, base, text)).table.source.kind == "git"


def test_a_file_of_the_farm_replaces_that_of_the_base(tmp_path: Path, base: tuple[Path, str]) -> None:
    settings = over(
        tmp_path, base, smoke_py="import alpha.own\n", build_lock=LOCK.replace("80.9.0", "81.0.0")
    )
    recipe = alpha(settings)
    assert recipe.file("smoke.py") == settings.recipes / "alpha/smoke.py"
    assert [each.version for each in recipe.pins("build.lock")] == ["81.0.0"]
    assert resolved(recipe).origins["build.lock"] == "recipes/alpha/build.lock"


def test_a_recipe_may_take_the_place_of_that_of_the_base(tmp_path: Path, base: tuple[Path, str]) -> None:
    write_farm(tmp_path / "whole", {"alpha": {"base": False, "version": "9.0"}})
    text = (tmp_path / "whole/recipes/alpha/recipe.toml").read_text()
    recipe = alpha(over(tmp_path, base, text, build_lock=LOCK))
    assert (recipe.table.version, recipe.base, recipe.table.patches) == ("9.0", None, [])
    assert resolved(recipe).environment["FARM"] == "base"


@pytest.mark.parametrize("with_base", [True, False])
def test_an_overlay_of_nothing_is_an_error(
    tmp_path: Path, base: tuple[Path, str], *, with_base: bool
) -> None:
    files = {"recipes/alhpa/recipe.toml": "[append.environment]\nA = '1'\n"}
    settings = (
        farm_over(tmp_path / "own", *base, cache=cache_of(base), files=files)
        if with_base
        else make_farm(tmp_path / "own", {}, files=files)
    )
    error = only(read_recipes(settings).check, RecipeError)
    what = "there is no recipe for 'alhpa' in the base" if with_base else "the farm has no base"
    assert (error.what, "alpha" in str(error.hint)) == (what, with_base)


def test_defaults_lie_over_those_of_the_base(tmp_path: Path, base: tuple[Path, str]) -> None:
    own = {"environment": {"MORE": "1"}, "replace": {"environment": {"FARM": "own"}}}
    values = resolved(alpha(farm_over(tmp_path / "own", *base, cache=cache_of(base), defaults=own)))
    assert (values.environment["FARM"], values.environment["MORE"]) == ("own", "1")
    assert values.origins["environment.FARM"] == "pyproject.toml: tool.wheelfarm.defaults.replace"
    silent = farm_over(
        tmp_path / "silent", *base, cache=cache_of(base), defaults={"environment": {"FARM": "own"}}
    )
    error = only(lambda: resolved(alpha(silent)), RecipeError)
    assert str(error.hint).endswith("tool.wheelfarm.defaults.replace.environment.FARM")
    against = farm_over(
        tmp_path / "against", *base, cache=cache_of(base), defaults={"environment": {"MODE": "own"}}
    )
    error = only(lambda: resolved(alpha(against)), RecipeError)
    assert "take environment.MODE out of [tool.wheelfarm.defaults]" in str(error.hint)


def test_a_variant_of_the_farm_takes_the_place_of_that_of_the_base(
    tmp_path: Path, base: tuple[Path, str]
) -> None:
    table = {
        "netlib": None,
        "plain": {"description": "ours"},
        "more": {"description": "x", "extends": "netlib"},
    }
    settings = farm_over(tmp_path / "own", *base, cache=cache_of(base), variants=table)
    assert settings.variants["plain"].description == "ours"
    assert settings.variants["more"].provider == "netlib"
    assert settings.base_farm is not None
    assert settings.base_farm.variant_where("plain") == ""
    assert settings.base_farm.variant_where("netlib") == f"acme@{base[1][:12]}: "


def test_a_corrected_base_changes_the_keys_of_what_it_corrects(tmp_path: Path) -> None:
    root = tmp_path / "acme"
    first = commit_farm(root, **BASE)
    recipes = {**BASE["recipes"], "alpha": {**ALPHA, "environment": {"MODE": "corrected"}}, "gamma": {}}
    second = commit_farm(root, **{**BASE, "recipes": recipes})
    before, after = (builds_of(farm_over(tmp_path / "own", root, each)) for each in (first, second))
    assert after.keys() - before.keys() == {"gamma"}
    alpha_parts = [builds["alpha"].key_parts for builds in (before, after)]
    changed = {key for key in alpha_parts[1] if alpha_parts[0].get(key) != alpha_parts[1][key]}
    assert changed == {"environment.MODE"}
    assert before["beta"].key != after["beta"].key


def test_a_commit_is_fetched_once_and_then_works_offline(tmp_path: Path) -> None:
    root = tmp_path / "acme"
    commit = commit_farm(root, **BASE)
    settings = farm_over(tmp_path / "own", root, commit)
    shutil.rmtree(root)
    assert alpha(load(settings.root, environ={}, options={"offline": "true"})).table.version == "1.0"
    # The tree is unpacked again from the cache.
    shutil.rmtree(settings.work / "base")
    assert alpha(load(settings.root, environ={}, options={"offline": "true"})).table.version == "1.0"
    shutil.rmtree(settings.work / "base")
    shutil.rmtree(settings.cache)
    with pytest.raises((SourceError, NetworkError)):
        load(settings.root, environ={})


def test_a_base_that_a_killed_run_has_not_finished_is_unpacked_again(
    tmp_path: Path, base: tuple[Path, str]
) -> None:
    settings = over(tmp_path, base)
    path = alpha(settings).file("recipe.toml")
    (settings.work / "base" / f"{base[1]}.sha256").unlink()
    path.unlink()
    assert alpha(load(settings.root, environ={})).table.version == "1.0"
    assert path.is_file()


def test_an_edit_of_the_unpacked_base_is_noticed(tmp_path: Path, base: tuple[Path, str]) -> None:
    settings = over(tmp_path, base)
    path = alpha(settings).file("recipe.toml")
    path.write_text(path.read_text() + "# mine\n")
    error = only(lambda: load(settings.root, environ={}), SettingsError)
    assert error.what == "the files of the base have changed since they were unpacked"
    assert "rm -r" in str(error.hint)
    assert "# mine" in path.read_text()


def test_the_recipes_of_the_installed_wheelfarm_are_a_base(tmp_path: Path) -> None:
    settings = make_farm(
        tmp_path, {}, settings={"base": f"wheelfarm=={__version__}", "variants": None, "variant": "openblas"}
    )
    recipes = read_recipes(settings)
    recipes.check()
    assert recipes.find("scipy").where == f"wheelfarm {__version__}: recipes/scipy/recipe.toml"
    assert {"openblas", "slim"} <= settings.variants.keys()


def test_a_distribution_may_bring_a_farm_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    write_farm(site / "acme_farm/farm", {"alpha": {}})
    metadata = site / "acme_farm-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-farm\nVersion: 1.2\n")
    (metadata / "RECORD").write_text("acme_farm/farm/pyproject.toml,,\n")
    monkeypatch.syspath_prepend(site)
    settings = make_farm(tmp_path / "own", {}, settings={"base": "Acme_Farm >= 1.2", "variants": None})
    assert alpha(settings).where == "acme-farm 1.2: recipes/alpha/recipe.toml"
    assert FarmFiles(settings.root).base == FarmFiles(site / "acme_farm/farm")
    what = "the base is acme-farm 1.2, and acme-farm==1.1 is wanted"
    errors = raised(
        lambda: make_farm(tmp_path / "old", {}, settings={"base": "acme-farm==1.1"}), SettingsError
    )
    assert [each.what for each in errors] == [what]


@pytest.mark.parametrize(
    ("said", "what", "hint"),
    [
        (
            "no-such-farm>=1",
            "the base no-such-farm is not installed",
            "python3 -m pip install 'no-such-farm>=1'",
        ),
        ("wheelfarm==99", f"the base is wheelfarm {__version__}, and wheelfarm==99 is wanted", "pip install"),
        ("packaging", "brings no farm along", ""),
        ("a b", "bad value 'a b'", ""),
        ("wheelfarm @ https://example.org/x.whl", "bad value", ""),
        ({"git": "https://example.org/a", "commit": "main"}, "bad value 'main'", ""),
        ({"git": "https://me:secret@example.org/a", "commit": "1" * 40}, "***@example.org", ""),
        ({"git": "x", "commit": "1" * 40, "branch": "main"}, "unknown key 'branch'", ""),
    ],
)
def test_a_base_that_is_not_there_is_an_error(tmp_path: Path, said: object, what: str, hint: str) -> None:
    errors = raised(lambda: make_farm(tmp_path, {}, settings={"base": said}), SettingsError)
    assert any(what in each.what and hint in str(each.hint) for each in errors)
    assert not any("secret" in str(each) for each in errors)


def test_a_commit_that_the_repository_does_not_have_is_an_error(
    tmp_path: Path, base: tuple[Path, str]
) -> None:
    error = only(lambda: farm_over(tmp_path, base[0], "1" * 40), SourceError)
    assert error.hint == "name a commit that the repository has, in pyproject.toml: tool.wheelfarm.base"


NEWER = "[tool.wheelfarm.defaults]\nfrom-the-future = 1\n"


@pytest.mark.parametrize(
    ("files", "what", "why"),
    [
        (
            {"pyproject.toml": "[tool.wheelfarm]\nbase = 'wheelfarm'\n"},
            "has a base itself",
            "a farm has one base",
        ),
        ({"pyproject.toml": "[tool.wheelfarm]\nrecipes = 'none'\n"}, "has no recipes", "there is no none/"),
        ({"pyproject.toml": "[tool.wheelfarm]\nrecipes = '../..'\n"}, "leads out of the base", ""),
        ({"pyproject.toml": NEWER}, "unknown key 'from-the-future'", "may be for a newer wheelfarm"),
    ],
)
def test_a_base_that_this_wheelfarm_cannot_read_is_an_error(
    tmp_path: Path, files: dict[str, str], what: str, why: str
) -> None:
    commit = commit_farm(tmp_path / "acme", {"alpha": {}}, files=files)
    error = only(lambda: farm_over(tmp_path / "own", tmp_path / "acme", commit), SettingsError)
    assert what in error.what
    assert why in str(error.why)


def test_a_repository_that_is_no_farm_is_an_error(tmp_path: Path) -> None:
    commit_farm(tmp_path / "acme")
    (tmp_path / "acme/pyproject.toml").unlink()
    commit = Repository(tmp_path / "acme").commit()
    error = only(lambda: farm_over(tmp_path / "own", tmp_path / "acme", commit), SettingsError)
    assert "is no farm" in error.what


def test_a_recipe_of_a_newer_format_breaks_itself_alone(tmp_path: Path) -> None:
    commit = commit_farm(tmp_path / "acme", {"alpha": {"from-the-future": 1}, "beta": {}})
    recipes = read_recipes(farm_over(tmp_path / "own", tmp_path / "acme", commit))
    assert [*recipes.by_name] == ["beta"]
    error = only(recipes.check, RecipeError)
    assert error.where == f"acme@{commit[:12]}: recipes/alpha/recipe.toml: from-the-future"
    assert "may be for a newer wheelfarm" in str(error.why)
