"""A project in a directory of a repository or an archive: locked, patched, built and looked at."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any, Final

import pytest
import tomlkit

from support.archives import Entry, digest, make_tar
from support.door import Door
from support.packages import tinyleaf
from support.repositories import Repository
from support.tiny import tiny_farm, tiny_index
from support.wheels import make_wheel
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from support.index import Index

PROJECT: Final[Mapping[str, bytes]] = {
    **{f"bindings/python/{name}": text.encode() for name, text in tinyleaf().items()},
    "cpp/core.c": b"int core(void) { return 1; }\n",
    "README": b"of all\n",
}
TITLE: Final = ("--title=Say more", "--why=a test needs it", "--upstream=none, a test")
LFS: Final = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"


def archive(path: Path, top: str, strays: Mapping[str, bytes] | None = None) -> dict[str, Any]:
    files = {f"{top}{name}": content for name, content in PROJECT.items()} | dict(strays or {})
    make_tar(path, [Entry(name, content) for name, content in files.items()])
    return {"kind": "archive", "url": path.as_uri(), "sha256": digest(path.read_bytes())}


def git(path: Path, files: Mapping[str, bytes] = PROJECT) -> dict[str, Any]:
    repository = Repository.create(path)
    return {"kind": "git", "url": path.as_uri(), "commit": repository.commit(files)}


SOURCES: Final[Mapping[str, tuple[Callable[[Path], dict[str, Any]], str]]] = {
    "git": (git, "bindings/python"),
    "another top": (lambda path: archive(path, "Repo-1a2b3c4/"), "bindings/python"),
    "no top": (lambda path: archive(path, ""), "bindings/python"),
    "several tops": (lambda path: archive(path, "repo/", {"LICENSE": b""}), "repo/bindings/python"),
}


def make_farm(root: Path, index: Index, source: dict[str, Any]) -> None:
    """A farm whose recipe of tinyleaf has this source."""
    tiny_farm(root, index, {"tinyleaf": {}})
    path = root / "recipes/tinyleaf/recipe.toml"
    path.write_text(tomlkit.dumps({**tomlkit.parse(path.read_text()), "source": source}))


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_the_whole_loop(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, subdirectory = SOURCES[kind]
    index = tiny_index(tmp_path / "index")
    index.add(make_wheel(tmp_path, "colorama", "1.0", {}))
    source = make(tmp_path / "upstream") | {"subdirectory": subdirectory}
    make_farm(tmp_path / "farm", index, source)
    farm = Door(tmp_path / "farm", capsys, monkeypatch)

    def inv(*words: str) -> str:
        done = farm.inv(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    inv("recipe.lock", "tinyleaf")
    assert "setuptools" in (farm / "recipes/tinyleaf/build.lock").read_text()
    tree = json.loads(inv("patch.start", "tinyleaf", "--json"))["tree"]
    module = farm / f"{tree}/{subdirectory}/tinyleaf/__init__.py"
    module.write_text(module.read_text() + "MORE = 1\n")
    inv("patch.save", "tinyleaf", *TITLE)
    assert f"a/{subdirectory}/tinyleaf/" in (farm / "patches/tinyleaf/0001-say-more.patch").read_text()
    assert inv("patch.check", "tinyleaf") == "tinyleaf 1.0: 1 patch applies\n"
    inv("chain", "tinyleaf")
    loaded = Farm(settings=load(farm.root))
    (build,) = loaded.plan(None).builds
    stored = loaded.wheelhouse.find(loaded.settings.variant, build.key)
    assert stored is not None
    with zipfile.ZipFile(stored.path) as wheel:
        assert b"MORE = 1" in wheel.read("tinyleaf/__init__.py")
        assert not any(name.startswith(("cpp", "bindings", "repo")) for name in wheel.namelist())
    inv("shell", "tinyleaf", "--discard", "--run=pwd > $HOME/seen")
    root = loaded.engine.stages / build.id.slug
    assert (root / "home/seen").read_text() == f"{root}/source/{subdirectory}\n"


@pytest.mark.slow
def test_lfs_pointers_of_a_repository_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**PROJECT, "bindings/python/data/table.bin": LFS, ".gitattributes": b"*.bin filter=lfs\n"}
    source = git(tmp_path / "upstream", files) | {"subdirectory": "bindings/python"}
    make_farm(tmp_path / "farm", tiny_index(tmp_path / "index"), source)
    farm = Door(tmp_path / "farm", capsys, monkeypatch)
    for task in ("recipe.lock", "chain"):
        done = farm.inv(task, "tinyleaf")
        assert done.returncode != 0
        assert "bindings/python/data/table.bin: Git LFS pointer" in done.stderr
        assert "take an archive that has the files themselves in place of pointers" in done.stderr
