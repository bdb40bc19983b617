"""Source trees as recipes have them: what is removed, patched, allowed and refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from support.archives import fetched
from support.farm import make_farm
from support.packages import make_sdist
from wheelfarm.errors import FarmError, GroupError
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.source_tree import patch_tree
from wheelfarm.sources.unpacking import unpack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.model import PatchedTree

ELF = "\x7fELF" + "\0" * 60
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"
PROJECT = {"setup.py": ""}
SHA = "a" * 64
HEADER = "Why: to see what happens.\nUpstream: none\n\n"


def laid_out(
    tmp_path: Path, files: Mapping[str, str], patches: Mapping[str, str] | None = None, **source: Any
) -> PatchedTree:
    table: dict[str, Any] = {"source": {"kind": "sdist", "sha256": SHA, **source}}
    table["patches"] = [{"file": name} for name in patches or {}]
    settings = make_farm(
        tmp_path / "farm",
        {"alpha": table},
        patches={f"alpha/{name}": text for name, text in (patches or {}).items()},
    )
    recipe = read_recipes(settings).find("alpha")
    archive = fetched(make_sdist(tmp_path, "alpha", files), name="alpha")
    tree = unpack(archive, tmp_path / "tree")
    series = [recipe.patches / name for name in patches or {}]
    return patch_tree(recipe, archive, tree, series, environ={"PATH": os.defpath})


def refused(tmp_path: Path, files: Mapping[str, str], *args: Any, **source: Any) -> list[FarmError]:
    with pytest.raises(FarmError) as caught:
        laid_out(tmp_path, files, *args, **source)
    return list(caught.value.errors) if isinstance(caught.value, GroupError) else [caught.value]


def test_the_error_names_every_file_and_the_lines_to_add(tmp_path: Path) -> None:
    files = PROJECT | {"pkg/_ext.cpython-311.so": ELF, "pkg/a/x.bin": ELF, "pkg/a/y.bin": ELF, "w[1].md": LFS}
    (error,) = refused(tmp_path, files)
    assert error.slug == "source"
    assert error.what == "the source of alpha 1.0 has 4 files that are not source"
    assert error.where == "alpha-1.0.tar.gz"
    assert str(error.why).splitlines() == [
        "pkg/_ext.cpython-311.so: ELF binary",
        "pkg/a/x.bin: ELF binary",
        "pkg/a/y.bin: ELF binary",
        "w[1].md: Git LFS pointer",
    ]
    globs = '"pkg/_ext.cpython-311.so", "pkg/a/*.bin", "w[[]1].md"'
    lines = str(error.hint).splitlines()
    assert lines[:3] == [
        "take an archive that has the files themselves in place of pointers, or",
        "remove them in recipes/alpha/recipe.toml:",
        f"[source] remove = [{globs}]",
    ]
    assert lines[3:5] == ["or say why they may stay:", "[source.allow]"]
    assert lines[5:] == [f'{glob} = "..."' for glob in globs.split(", ")]
    # What it proposes is right.
    (tmp_path / "again").mkdir()
    allow = {glob.strip('"'): "test data" for glob in globs.split(", ")}
    assert len(laid_out(tmp_path / "again", files, allow=allow).non_source) == 4


def test_what_is_allowed_comes_with_its_reason(tmp_path: Path) -> None:
    tree = laid_out(
        tmp_path,
        PROJECT | {"t/x.so": ELF, "launcher.exe": "MZ\0\0"},
        allow={"t/*": "data of the tests"},
        **{"allow-in-wheel": {"*.exe": "starts scripts on Windows"}},
    )
    assert [(each.file, each.kind, each.reason, each.in_wheel) for each in tree.non_source] == [
        ("launcher.exe", "PE or DOS binary", "starts scripts on Windows", True),
        ("t/x.so", "ELF binary", "data of the tests", False),
    ]


def test_a_glob_without_effect_is_an_error(tmp_path: Path) -> None:
    errors = refused(
        tmp_path,
        PROJECT | {"a.so": ELF, "b.c": ""},
        allow={"a.so": "data", "b.c": "it is source"},
        **{"allow-in-wheel": {"c.so": "not there"}},
    )
    assert [(error.slug, error.what, error.where) for error in errors] == [
        (
            "recipe",
            f"{glob!r} matches no file of the source that is not source",
            f"recipes/alpha/recipe.toml: source.{key}",
        )
        for glob, key in (("b.c", "allow"), ("c.so", "allow-in-wheel"))
    ]
    (tmp_path / "other").mkdir()
    (error,) = refused(tmp_path / "other", PROJECT, remove=["*.so"])
    assert error.what == "'*.so' matches no file of the source"


def test_what_is_removed_leaves_nothing(tmp_path: Path) -> None:
    files = PROJECT | {"build/lib/pkg/__init__.py": "", "pkg/x.so": ELF, "pkg/x.c": ""}
    tree = laid_out(tmp_path, files, remove=["build/*", "*.so"])
    assert tree.non_source == ()
    names = {path.relative_to(tree.path).as_posix() for path in tree.path.rglob("*")}
    assert names == {"PKG-INFO", "setup.py", "pkg", "pkg/x.c"}


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_reason_is_no_empty_text(reason: str, tmp_path: Path) -> None:
    (error,) = refused(tmp_path, PROJECT, allow={"x": reason})
    assert (error.slug, error.where) == ("recipe", "recipes/alpha/recipe.toml: source.allow.x")


def new_file(name: str, text: str, mode: str = "100644") -> str:
    lines = text.splitlines(keepends=True)
    body = "".join(f"+{line}" for line in lines)
    end = "" if text.endswith("\n") else "\n\\ No newline at end of file\n"
    return (
        f"{HEADER}diff --git a/{name} b/{name}\nnew file mode {mode}\n--- /dev/null\n+++ b/{name}\n"
        f"@@ -0,0 +1,{len(lines)} @@\n{body}{end}"
    )


def test_what_a_patch_adds_is_searched_too(tmp_path: Path) -> None:
    (error,) = refused(tmp_path, PROJECT, {"0001-add.patch": new_file("data", LFS)})
    assert error.why == "data: Git LFS pointer"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("link", "/etc/passwd"),
        ("pkg/link", "../../outside"),
        ("link", "pkg/../../outside"),
        ("link", "link"),
    ],
)
def test_a_patch_that_plants_a_link_to_the_outside(name: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    files = PROJECT | {"pkg/x.c": ""}
    (error,) = refused(tmp_path, files, {"0001-link.patch": new_file(name, target, "120000")})
    assert (error.slug, error.where, error.why) == ("patch", f"alpha: {name}", f"it leads to {target}")


def test_a_patch_that_moves_a_link_until_it_leads_out(tmp_path: Path) -> None:
    add = new_file("pkg/link", "../setup.py", "120000")
    move = (
        f"{HEADER}diff --git a/pkg/link b/link\nsimilarity index 100%\nrename from pkg/link\nrename to link\n"
    )
    (error,) = refused(tmp_path, PROJECT | {"pkg/x.c": ""}, {"0001-add.patch": add, "0002-move.patch": move})
    assert (error.slug, error.where) == ("patch", "alpha: link")


def test_the_project_is_in_a_subdirectory(tmp_path: Path) -> None:
    files = {"python/pyproject.toml": "", "cpp/x.c": "", "python/build/lib/x.py": ""}
    (error,) = refused(tmp_path, files)
    assert error.lines() == [
        "error[source]: the source of alpha has no pyproject.toml or setup.py",
        "  where: alpha-1.0.tar.gz",
        "  why: it has one in python",
        '  next: name the directory in recipes/alpha/recipe.toml: [source] subdirectory = "python"',
    ]
    for name, remove in (("a", []), ("b", ["python/build/*"])):
        (tmp_path / name).mkdir()
        if not remove:
            (error,) = refused(tmp_path / name, files, subdirectory="python")
            assert error.why == "python/build/lib/x.py: product of an earlier build"
        else:
            tree = laid_out(tmp_path / name, files, subdirectory="python", remove=remove)
            assert tree.project == tree.path / "python"


def test_there_is_no_project(tmp_path: Path) -> None:
    (error,) = refused(tmp_path, {"cpp/x.c": "", "README": ""}, subdirectory="python")
    assert error.what == "the source of alpha has no pyproject.toml or setup.py in python"
    assert error.why == "its directories are cpp"


@pytest.mark.parametrize("subdirectory", ["/etc", "../x", "a\\b", ""])
def test_a_subdirectory_is_below_the_source(subdirectory: str, tmp_path: Path) -> None:
    (error,) = refused(tmp_path, PROJECT, subdirectory=subdirectory)
    assert (error.slug, error.where) == ("recipe", "recipes/alpha/recipe.toml: source.subdirectory")
