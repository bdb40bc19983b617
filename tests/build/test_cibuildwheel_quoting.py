"""Whatever a recipe says reaches the build byte for byte: cibuildwheel's own parser is the oracle."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from support.farm import make_farm
from support.oracle import Oracle, cibuildwheel_oracle
from support.stages import build_for, make_stage
from wheelfarm.build.cibuildwheel_engine import Cibuildwheel
from wheelfarm.build.cibuildwheel_options import quote_value
from wheelfarm.build.commands import shell_line
from wheelfarm.build.containers import ContainerEngine
from wheelfarm.build.environment import RESERVED
from wheelfarm.errors import RecipeError
from wheelfarm.model import ConfigSettings, Platform, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.recipes.settings import Settings

NASTY = "'\"\\$=` #;&|<>*~!?(){}[]^%@,:+-\té漢🎉x0"
PIECES = ("$HOME", "${x}", "$(id)", "`id`", "{project}", "{package}", "#{project}", "{wheel}", "%PATH%", "~")
MORE = (
    "\\n",
    "--",
    "a=b",
    "<(",
    "( )",
    "#{",
    "\\\\",
    "'\"'\"'",
    "&&",
    "${",
    "$'",
    "!!",
    "-j2",
    "\N{ZERO WIDTH JOINER}",
)
TARGETS = ("cp311-manylinux_x86_64", "cp313-macosx_arm64", "cp313-win_amd64")
UNSAYABLE = ("<(", ">(", "\0", "\n", "\r")

text = st.text(st.sampled_from(NASTY) | st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.lists(text | st.sampled_from(PIECES + MORE), max_size=6).map("".join)
sayable = values.filter(lambda value: not any(bad in value for bad in UNSAYABLE))
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: name.upper() not in RESERVED
)
keys = st.from_regex(r"[a-z][a-z0-9.-]{0,12}", fullmatch=True)
arguments = values.filter(lambda value: "\0" not in value)

quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_farm(tmp_path_factory.mktemp("farm"), settings={"jobs": 1})


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with cibuildwheel_oracle() as process:
        yield process


@quick
@given(environment=st.dictionaries(names, sayable, max_size=4), target=st.sampled_from(TARGETS))
def test_the_environment_arrives(
    farm: Settings, oracle: Oracle, environment: dict[str, str], target: str
) -> None:
    build = build_for(farm, target, environment=environment)
    engine = Cibuildwheel(farm, ContainerEngine("podman"))
    found = oracle.read(engine.render(make_stage(build, engine)), Target.parse(target))["environment"]
    assert {name: found.get(name) for name in environment} == environment


@quick
@given(config=st.dictionaries(keys, arguments | st.lists(arguments, min_size=1, max_size=4), max_size=4))
def test_config_settings_arrive(farm: Settings, oracle: Oracle, config: dict[str, str | list[str]]) -> None:
    build = build_for(farm, config=config)
    engine = Cibuildwheel(farm, ContainerEngine("podman"))
    found = oracle.read(engine.render(make_stage(build, engine)), build.id.target)
    # A list of one item is the same as the item, for the frontend too.
    assert found["settings"] == {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in config.items()
    }
    assert found["flags"] == [*ConfigSettings.of(config).for_build(), "--no-isolation"]


@given(before=sayable, after=sayable, bad=st.sampled_from(UNSAYABLE))
def test_what_cannot_be_said_is_refused(before: str, after: str, bad: str) -> None:
    with pytest.raises(RecipeError, match="NAME cannot be passed") as caught:
        quote_value("NAME", before + bad + after, where="recipes/a/recipe.toml")
    assert repr(next(each for each in UNSAYABLE if each in before + bad + after)) in str(caught.value.why)
    assert caught.value.where == "recipes/a/recipe.toml"


@given(name=st.text(max_size=8))
def test_only_names_of_variables_can_be_said(name: str) -> None:
    assume(not (name.isascii() and name.isidentifier()))
    with pytest.raises(RecipeError, match="not a variable's name"):
        quote_value(name, "value", where="recipe.toml")


def test_nothing_of_the_project_or_machine_is_run(farm: Settings, oracle: Oracle) -> None:
    """No test command, no audit that installs from the index: both would escape the lock."""
    build = build_for(farm)
    engine = Cibuildwheel(farm, ContainerEngine("podman"))
    found = oracle.read(engine.render(make_stage(build, engine)), build.id.target)
    assert (found["test"], found["audit"]) == ("", [])


@pytest.mark.parametrize("target", ["cp313-macosx_arm64", "cp313-win_amd64"])
def test_a_temporary_directory_with_a_space(target: str) -> None:
    """On a machine, cibuildwheel fills paths in that nobody has quoted."""
    line = shell_line(("tool", "{wheel}", "a b", "--to", "{dest_dir}"), target=Target.parse(target))
    filled_in = line.replace("{wheel}", "/Jane Doe/x.whl").replace("{dest_dir}", "/Jane Doe/out")
    # Both shells read double quotes around such words alike.
    assert shlex.split(filled_in) == ["tool", "/Jane Doe/x.whl", "a b", "--to", "/Jane Doe/out"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_repair_command_quotes_its_placeholders(farm: Settings, oracle: Oracle, target: str) -> None:
    build = build_for(farm, target)
    engine = Cibuildwheel(farm, ContainerEngine("podman"))
    repair = oracle.read(engine.render(make_stage(build, engine)), build.id.target)["repair"]
    quoted = '"' if build.id.target.platform is not Platform.LINUX else ""
    for word in ("{wheel}", "{dest_dir}"):
        assert repair.count(word) == repair.count(f" {quoted}{word}{quoted}") > 0
