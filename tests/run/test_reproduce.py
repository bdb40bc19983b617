"""A stored wheel is built again from its record alone, and its bytes are compared."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.library import library_farm
from support.raised import only, raised
from support.tiny import VARIANT, run_farm, tiny_farm
from wheelfarm.errors import ChainError, EngineError, PatchError, RecordError
from wheelfarm.model import Digest, Name
from wheelfarm.provenance.record import SCHEMA_VERSION, Record
from wheelfarm.run.farm import Farm
from wheelfarm.run.reproduce import Reproduction
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from support.index import Index
    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parents[2] / "src"
PATCH = "patches/tinybase/0001-sum.patch"


def record_file(settings: Settings, name: str) -> Path:
    """The record of the wheel that the index lists."""
    (stored,) = Farm(settings=settings).wheelhouse.current(VARIANT, Name(name))
    return settings.wheelhouse / VARIANT / "records" / f"{stored.key}.json"


def record_of(settings: Settings, name: str) -> Record:
    return Record.from_json(record_file(settings, name).read_text(), name)


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rebuild(settings: Settings, record: Record, work: Path | None = None) -> Reproduction:
    return Reproduction.of(
        record, settings=settings, wheelhouse=Farm(settings=settings).wheelhouse, work=work
    )


def inv(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    (settings.root / "tasks.py").write_text(
        "from wheelfarm.cli.program import collection\n\nnamespace = collection()\n"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(settings.root / "home"), "PYTHONPATH": str(SOURCE)}
    argv = [sys.executable, "-m", "invoke", *words]
    return subprocess.run(
        argv, cwd=settings.root, env=env, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_same_bytes_without_recipes_and_patches(chain: Settings, tmp_path: Path) -> None:
    """Nothing but the record, the wheels of then and the pinned files from outside counts."""
    shutil.rmtree(chain.recipes)
    shutil.rmtree(chain.patches)
    before = {str(path) for path in chain.wheelhouse.rglob("*")}
    finished = inv(chain, "reproduce", "tinytop", "--work", str(tmp_path / "again"), "--json")
    assert finished.returncode == 0, finished.stderr
    (top,) = json.loads(finished.stdout)
    assert top["identical"] is True
    assert top["before"] == top["after"] == record_of(chain, "tinytop").wheel.sha256
    assert top["inputs"] == {}
    assert {str(path) for path in chain.wheelhouse.rglob("*")} == before
    (wheel,) = tmp_path.glob("again/wheels/tinytop-*/*.whl")
    assert sha256_of_file(wheel) == top["before"]


def tampered(settings: Settings) -> Record:
    """Store a wheel of tinybase with another line in a module and say so in its record."""
    path = record_file(settings, "tinybase")
    record = Record.from_json(path.read_text(), "here")
    old = settings.wheelhouse / VARIANT / "wheels" / record.wheel.sha256[:16] / record.wheel.filename
    draft = settings.root / old.name
    with zipfile.ZipFile(old) as before, zipfile.ZipFile(draft, "w") as after:
        for info in before.infolist():
            data = before.read(info)
            more = b"# by another hand\n" if info.filename == "tinybase/__init__.py" else b""
            after.writestr(info, data + more)
    digest = Digest(sha256_of_file(draft))
    wheel = record.wheel.model_copy(update={"sha256": digest, "size": draft.stat().st_size})
    Farm(settings=settings).wheelhouse.store(
        draft,
        sha256=digest,
        variant=VARIANT,
        key=record.key,
        record=record.model_copy(
            update={"wheel": wheel, "toolchain": {**record.toolchain, "linker": "of then"}}
        ).to_json(),
    )
    return record


def test_other_bytes_are_shown(chain: Settings) -> None:
    """The patch comes from the record: all but what was tampered with is the same."""
    tampered(chain)
    shutil.rmtree(chain.patches)
    finished = inv(chain, "reproduce", "tinybase")
    assert finished.returncode == 73, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0].startswith("other bytes: tinybase (plain, ")
    assert any(line.startswith("  input toolchain.linker: of then -> ") for line in lines)
    at = lines.index("where they differ: 1")
    assert lines[at + 1] == "  tinybase/__init__.py"
    assert lines[at + 3] == "    -# by another hand"
    assert "error[not-reproduced]" in finished.stderr
    again = chain.work / "reproduce" / "wheels"
    (wheel,) = again.glob("*/*.whl")
    assert open_wheel(wheel).name == "tinybase"


def test_a_dry_run_tells_what_would_be_done(chain: Settings) -> None:
    finished = inv(chain, "reproduce", "tinytop", "--dry-run", "--json")
    assert finished.returncode == 0, finished.stderr
    (plan,) = json.loads(finished.stdout)
    record = record_of(chain, "tinytop")
    assert (plan["key"], plan["engine"]) == (record.key, "host")
    assert plan["wheels"] == {record.wheel.filename: record.wheel.sha256}
    assert plan["upstream"] == [record.upstream[0].filename]
    assert plan["directory"] == str(chain.stages / f"tinytop-{VARIANT}-{record.target}")
    assert not (chain.work / "reproduce" / "wheels").exists()


class TestRefused:
    """What is missing is an error before anything is compiled."""

    def test_an_upstream_wheel_that_is_gone(self, chain: Settings) -> None:
        record = record_of(chain, "tinytop")
        (upstream,) = record.upstream
        shutil.rmtree(chain.wheelhouse / VARIANT / "wheels" / upstream.sha256[:16])
        error = only(lambda: rebuild(chain, record).build, ChainError)
        assert (
            error.what == "the wheel of tinybase that tinytop was built on is not in the wheelhouse any more"
        )
        assert upstream.sha256 in str(error.why)

    def test_a_damaged_wheel_to_compare_with(self, chain: Settings) -> None:
        record = record_of(chain, "tinytop")
        path = chain.wheelhouse / VARIANT / "wheels" / record.wheel.sha256[:16] / record.wheel.filename
        path.write_bytes(path.read_bytes()[:-1])
        error = only(lambda: rebuild(chain, record).build, ChainError)
        assert "the wheel of tinytop itself" in error.what

    def test_a_patch_in_the_record_that_was_changed(self, chain: Settings) -> None:
        record = record_of(chain, "tinybase")
        (patch,) = record.patches
        changed = record.model_copy(update={"patches": (replace(patch, text=f"{patch.text}\n"),)})
        error = only(lambda: rebuild(chain, changed).build, PatchError)
        assert "the record was changed" in str(error.why)

    def test_another_compiler_and_other_rules(self, chain: Settings) -> None:
        record = record_of(chain, "tinybase")
        parts = {**record.key_parts, "compiler.c": "cc of then", "rules": "0", "toolchain.image": "of then"}
        error = only(
            lambda: rebuild(chain, record.model_copy(update={"key_parts": parts})).build, RecordError
        )
        assert error.what.endswith("has other inputs on this machine than its record says")
        compiler, rules, image = str(error.why).splitlines()
        assert compiler.startswith("compiler.c changed from cc of then to ")
        assert rules.startswith("rules changed from 0 to ")
        assert image == "toolchain.image was removed: it was of then"

    def test_several_at_once(self, chain: Settings) -> None:
        record = record_of(chain, "tinybase")
        (patch,) = record.patches
        shutil.rmtree(chain.wheelhouse / VARIANT / "wheels")
        broken = record.model_copy(
            update={"patches": (replace(patch, text=""),), "target": replace(record.target, arch="x")}
        )
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the group's members are what counts
            _ = rebuild(chain, broken).build
        assert {type(error) for error in caught.value.errors} == {ChainError, PatchError}  # type: ignore[attr-defined]

    def test_a_python_that_is_not_here(self, chain: Settings) -> None:
        record = record_of(chain, "tinybase")
        target = replace(record.target, python=replace(record.target.python, minor=99))
        raised(lambda: rebuild(chain, record.model_copy(update={"target": target})).build, EngineError)

    def test_a_record_without_inputs(self, chain: Settings) -> None:
        """Records before schema 4 have none."""
        old = record_of(chain, "tinybase").model_copy(update={"inputs": None})
        error = only(lambda: rebuild(chain, old).build, RecordError)
        assert error.where == f"wheelhouse/{VARIANT}/records/{old.key}.json"
        assert "check out the commit of the farm" in str(error.hint)

    def test_inputs_that_make_no_recipe(self, chain: Settings) -> None:
        record = record_of(chain, "tinybase")
        assert record.inputs is not None
        source = record.inputs.source.model_copy(update={"sha256": None})
        inputs = record.inputs.model_copy(update={"source": source})
        broken = record.model_copy(update={"inputs": inputs})
        assert "sha256" in str(only(lambda: rebuild(chain, broken).build, RecordError).why)

    def test_a_record_of_a_newer_form(self, chain: Settings) -> None:
        edit(record_file(chain, "tinybase"), schema=SCHEMA_VERSION + 1)
        finished = inv(chain, "reproduce", "tinybase")
        assert finished.returncode == RecordError.exit_code
        assert "the record was written by a newer wheelfarm" in finished.stderr

    def test_an_engine_without_a_record(self, chain: Settings) -> None:
        finished = inv(chain, "reproduce", "tinybase", "--engine", "cibuildwheel")
        assert finished.returncode == 2, finished.stderr
        assert "by cibuildwheel" in finished.stderr


def test_options_of_two_records_are_compared(chain: Settings) -> None:
    record = tampered(chain)
    old = chain.wheelhouse / VARIANT / "wheels" / record.wheel.sha256[:16] / record.wheel.filename
    edit(record_file(chain, "tinybase"), config_settings={"--global-option": ["-q"]})
    other = record.model_copy(update={"key": Digest("0" * 64)})
    (chain.wheelhouse / VARIANT / "records" / f"{other.key}.json").write_text(other.to_json())
    (stored,) = Farm(settings=chain).wheelhouse.current(VARIANT, Name("tinybase"))
    difference = json.loads(inv(chain, "wheel.diff", str(old), str(stored.path), "--json").stdout)
    assert difference["options"]["config-settings.--global-option"] == {"before": None, "after": "-q"}
    assert difference["options"]["toolchain.linker"]["after"] == "of then"
    lines = difference["members"][-1]["lines"]
    assert lines[-1] == "+# by another hand"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tinybase-headers", "tiny-include"])
def test_what_was_split_off_is_compared_too(index: Index, tmp_path: Path, name: str) -> None:
    split = {"files": ["tinybase/include/*"]} | ({"name": name} if name == "tiny-include" else {})
    settings = tiny_farm(tmp_path / "farm", index, {"tinybase": {"splits": {"headers": split}}})
    assert run_farm(settings).states == {"tinybase": "built"}
    finished = inv(settings, "reproduce", name, "--json")
    assert finished.returncode == 0, finished.stderr
    verdicts = json.loads(finished.stdout)
    assert [(each["id"].partition(" ")[0], each["identical"]) for each in verdicts] == [
        ("tinybase", True),
        (name, True),
    ]


def test_a_wheel_for_all_pythons_is_built_once_for_those_of_the_farm(tmp_path: Path) -> None:
    run = run_farm(library_farm(tmp_path))
    wanted = ("reproduce", "tinyblas", "--variant", run.settings.variant, "--python", "3.12,3.11,3.13")
    finished = inv(run.settings, *wanted, "--dry-run", "--json")
    assert finished.returncode == 0, finished.stderr
    (found,) = json.loads(finished.stdout)
    assert found["key"] == run.record("tinyblas").key
