"""What goes to a worker and comes back."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from support.farm import make_farm, make_toolchain
from wheelfarm import __version__
from wheelfarm.errors import BuildError, GroupError, HashError, Proposal, SettingsError
from wheelfarm.plan.build import Toolchain
from wheelfarm.run.cluster.request import ErrorData, other_wheelfarm, own_code
from wheelfarm.run.cluster.resources import Wanted
from wheelfarm.run.packed_farm import pack_farm

if TYPE_CHECKING:
    from wheelfarm.errors import FarmError

TEXTS = st.none() | st.text()


def there_and_back(error: FarmError, moved: tuple[str, str] = ("", "")) -> FarmError:
    text = ErrorData.of(error, moved).model_dump_json()
    return ErrorData.model_validate_json(text).error(error.log)


@given(what=st.text(), where=TEXTS, why=TEXTS, hint=TEXTS)
def test_an_error_arrives_as_it_was(what: str, where: str | None, why: str | None, hint: str | None) -> None:
    error = HashError(what, where=where, why=why, hint=hint, log=Path("log"))
    error.retryable, error.failure = False, "network"
    arrived = there_and_back(error)
    assert type(arrived) is HashError
    assert vars(arrived) == vars(error)


def test_all_errors_of_a_group_and_a_proposal_arrive() -> None:
    error = BuildError("it fails")
    error.proposal = Proposal(
        name="a", package="a", where="recipes/a", values={"b": ["c"]}, lines=("b = ['c']",), relock=True
    )
    arrived = there_and_back(GroupError([error, HashError("it differs")]))
    assert isinstance(arrived, GroupError)
    assert arrived.lines() == GroupError([error, HashError("it differs")]).lines()


def test_a_path_of_the_worker_becomes_one_of_the_farm() -> None:
    error = BuildError("no", where="/worker/farm/recipes/a")
    assert there_and_back(error, ("/worker/farm", "/farm")).where == "/farm/recipes/a"


def test_a_toolchain_arrives_as_it_was() -> None:
    toolchains = TypeAdapter(Toolchain)
    toolchain = make_toolchain("cp313t-musllinux_aarch64", programs={"zig": "0.13"}, glibc=(2, 28))
    assert toolchains.validate_json(toolchains.dump_json(toolchain)) == toolchain


def test_the_wheelfarm_of_a_worker_must_be_the_same_to_the_last_line() -> None:
    assert other_wheelfarm(__version__, own_code()) is None
    assert "and the farm 9" in str(other_wheelfarm("9", own_code()))
    assert "other code" in str(other_wheelfarm(__version__, "0" * 64))


class TestPackedFarm:
    def test_the_same_files_are_the_same_bytes(self, tmp_path: Path) -> None:
        files = {"recipes/alpha/smoke.py": "pass\n", "variants/x.lock": "", "README": ""}
        one = make_farm(tmp_path / "one", files=files)
        two = make_farm(tmp_path / "two", files=files)
        assert pack_farm(one) == pack_farm(two)
        with zipfile.ZipFile(io.BytesIO(pack_farm(one))) as archive:
            assert archive.namelist() == [
                *("pyproject.toml", "recipes/alpha/build.lock", "recipes/alpha/recipe.toml"),
                "recipes/alpha/smoke.py",
            ]

    def test_recipes_outside_of_the_farm_are_an_error(self, tmp_path: Path) -> None:
        settings = make_farm(tmp_path / "farm", settings={"recipes": "../recipes"})
        with pytest.raises(SettingsError, match="no part of the farm"):
            pack_farm(settings)


class TestWanted:
    WANTED = Wanted(cpus=2, memory=4_000_000_000, labels=("host", "linux-x86_64"))

    def test_a_worker_with_all_resources_lacks_nothing(self) -> None:
        found = {"cpus": 2, "memory": 4e9, "host": 1, "linux-x86_64": 1, "GPU": 1}
        assert self.WANTED.lacking(found) == []
        assert set(self.WANTED.resources()) <= set(found)

    def test_each_missing_resource_is_named(self) -> None:
        assert self.WANTED.lacking({"cpus": 1, "memory": 2e9, "host": 1}) == [
            *("no resource linux-x86_64", "memory=2e+09 of 4e+09", "cpus=1 of 2"),
        ]
        assert self.WANTED.lacking({})[0] == "no resource cpus"

    def test_what_is_taken_of_a_label_is_given_back_exactly(self) -> None:
        (taken,) = {self.WANTED.resources()[label] for label in self.WANTED.labels}
        left = 1.0
        for _ in range(1000):
            left -= taken
        for _ in range(1000):
            left += taken
        assert left == 1.0
