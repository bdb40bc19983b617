"""Model: what is parsed at the door, what is refused there, and how config settings are rendered."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from build.__main__ import _parse_config_settings, main_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from support.raised import only
from wheelfarm.errors import UsageError
from wheelfarm.model import ConfigSettings, Platform, Python, Target, parse_digest, parse_name


def _identifiers(project: Path, platform: Platform) -> list[str]:
    """All build identifiers of a platform, as cibuildwheel itself lists them."""
    program = Path(sys.executable).with_name("cibuildwheel")
    argv = [str(program), "--print-build-identifiers", "--platform", platform, "--archs", "all", str(project)]
    env = {"PATH": os.defpath, "HOME": str(project), "CIBW_ENABLE": "all"}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="session")
def identifiers(tmp_path_factory: pytest.TempPathFactory) -> dict[Platform, list[str]]:
    project = tmp_path_factory.mktemp("identifiers")
    (project / "pyproject.toml").touch()
    with ThreadPoolExecutor() as pool:
        listed = pool.map(lambda platform: _identifiers(project, platform), Platform)
        return dict(zip(Platform, listed, strict=True))


@pytest.mark.parametrize("platform", Platform)
def test_each_cpython_identifier_of_cibuildwheel_is_a_target(
    identifiers: dict[Platform, list[str]], platform: Platform
) -> None:
    cpython = [each for each in identifiers[platform] if each.startswith("cp")]
    assert len(cpython) > 10
    for identifier in cpython:
        target = Target.parse(identifier)
        assert target.identifier == str(target) == identifier
        assert target.platform is platform
        assert target.python.tag == identifier.partition("-")[0]


def test_other_interpreters_are_no_targets(identifiers: dict[Platform, list[str]]) -> None:
    others = [each for listed in identifiers.values() for each in listed if not each.startswith("cp")]
    assert others
    for identifier in others:
        with pytest.raises(UsageError):
            Target.parse(identifier)


@pytest.mark.parametrize(
    "text",
    [
        *("", "cp312", "cp312-", "cp312-manylinux", "cp312-manylinux_", "cp312-manylinuxx86_64"),
        *("cp312-manylinux_arm64", "cp312-macosx_amd64", "cp312-win_32", "cp312-win_x86_64", "cp312-win"),
        *("cp312-linux_x86_64", "CP312-manylinux_x86_64", "cp3012-win32", "cp٣12-win32"),
        "cp312-manylinux_x86_64\n",
    ],
)
def test_what_cibuildwheel_would_not_know_is_no_target(text: str) -> None:
    error = only(lambda: Target.parse(text), UsageError)
    assert repr(text) in error.what
    assert error.why is not None
    assert "cp312-manylinux_x86_64" in error.why


def test_targets_are_ordered_by_python_first() -> None:
    texts = ["cp39-win32", "cp310-manylinux_x86_64", "cp313-manylinux_x86_64", "cp313t-manylinux_x86_64"]
    assert sorted(Target.parse(text) for text in reversed(texts)) == [Target.parse(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "version", "tag"),
    [
        ("3.9", (3, 9), "cp39"),
        ("3.10", (3, 10), "cp310"),
        ("3.14t", (3, 14), "cp314t"),
        ("4.0", (4, 0), "cp40"),
    ],
)
def test_a_python_is_a_feature_version(text: str, version: tuple[int, int], tag: str) -> None:
    python = Python.parse(text)
    assert (str(python), python.version, python.tag) == (text, version, tag)


@pytest.mark.parametrize("text", ["", "3", "3.11.2", "cp311", "3.", "3.011", "3.05", "3.11d", "٣.11"])
def test_anything_else_is_no_python(text: str) -> None:
    error = only(lambda: Python.parse(text), UsageError)
    assert error.hint == "say, for example, 3.12"


@pytest.mark.parametrize(
    ("text", "name"), [("numpy", "numpy"), ("Scikit_Learn", "scikit-learn"), ("a.-_b", "a-b"), ("x", "x")]
)
def test_names_are_normalised(text: str, name: str) -> None:
    assert parse_name(text) == name


@pytest.mark.parametrize("text", ["", "-a", "a-", ".a", "a b", "ä", "a/b", "a\n", "../a"])
def test_bad_names_are_refused(text: str) -> None:
    error = only(lambda: parse_name(text), UsageError)
    assert repr(text) in error.what


def test_a_digest_is_lower_case() -> None:
    assert parse_digest("ABCDEF01" * 8) == "abcdef01" * 8


@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "g" * 64, "a" * 64 + "\n", "sha256:" + "a" * 64])
def test_bad_digests_are_refused(text: str) -> None:
    assert only(lambda: parse_digest(text), UsageError).why == "a sha256 has 64 hexadecimal digits"


def test_config_settings_are_rendered_for_each_frontend() -> None:
    settings = ConfigSettings.of({"setup-args": ["-Da=b", "-Dc=d e"], "builddir": "x"})
    assert settings.for_build() == ["-Csetup-args=-Da=b", "-Csetup-args=-Dc=d e", "-Cbuilddir=x"]
    assert settings.for_cibuildwheel() == "setup-args=-Da=b 'setup-args=-Dc=d e' builddir=x"


Table = dict[str, str | list[str]]

# What a recipe can hold: TOML knows no lone surrogates, a key no `=`, and an argument of a process no NUL.
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0="), min_size=1)
TABLES = st.dictionaries(KEYS, VALUES | st.lists(VALUES, min_size=1), max_size=4)


def _as_frontends_say(table: Table) -> Table:
    """A list of one item looks like a string: no front end can express it."""
    return {key: value[0] if len(value) == 1 else value for key, value in _lists(table).items()}


def _lists(table: Table) -> dict[str, list[str]]:
    return {key: [value] if isinstance(value, str) else value for key, value in table.items()}


@settings(max_examples=50)
@given(TABLES)
def test_build(table: Table) -> None:
    parser = main_parser()
    said = parser.parse_args([".", *ConfigSettings.of(table).for_build()]).config_settings
    assert _parse_config_settings(said or []) == _as_frontends_say(table)


@settings(max_examples=50)
@given(TABLES)
def test_cibuildwheel(table: Table) -> None:
    words = shlex.split(ConfigSettings.of(table).for_cibuildwheel())
    read: dict[str, list[str]] = {}
    for word in words:
        key, _, value = word.partition("=")
        read.setdefault(key, []).append(value)
    assert read == _lists(table)
