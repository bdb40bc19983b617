"""The project writes in the words of its field: private words of earlier versions do not come back."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each of these once had a meaning that only its authors knew: docs/concepts/glossary.md has the words to use.
BANNED = (
    "witness|testimony|papers|carriers?|owners|asked|told|held|kept|lent|settled?|standings?|offers?"
    "|shelf|house|rooms?|ledger|outlook"
)
# The key of old records, which are still read.
OLD_KEY = "kept_build"
PATTERN = re.compile(rf"(?<![A-Za-z])({BANNED})(?![A-Za-z])", re.IGNORECASE)
SUFFIXES = {".py", ".md", ".toml", ".j2", ".css", ".txt", ".json", ".yml"}


def _files() -> list[Path]:
    found = [
        path
        for name in ("src", "docs", "tests", "recipes", "bench", ".github")
        for path in (ROOT / name).rglob("*")
    ]
    found += [ROOT / "wheelhouse/README.md", *ROOT.glob("*.md"), *ROOT.glob("*.py"), ROOT / "pyproject.toml"]
    # Logs of other programs, and a record as an earlier version wrote it.
    skipped = {"_build", "__pycache__", "node_modules", "logs", "records"}
    return [
        path
        for path in found
        if path.suffix in SUFFIXES
        and path.is_file()
        and path != Path(__file__)
        and not skipped & set(path.relative_to(ROOT).parts)
    ]


def test_banned_words_do_not_occur() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in _files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for match in PATTERN.finditer(line.replace(OLD_KEY, ""))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["Told", "is_held", "read_shelf", "ROOM", "the kept build"])
def test_a_banned_word_is_found_in_prose_and_in_names(text: str) -> None:
    assert PATTERN.search(text)


@pytest.mark.parametrize("text", ["wheelhouse", "understanding", "roommate", "basket"])
def test_a_word_that_contains_a_banned_one_passes(text: str) -> None:
    assert not PATTERN.search(text)


NUMBER = re.compile(r"len\(|sum\(|\.count\(|(?:^|[._])(?:jobs|lines|tries|total|count|times|more)$")
PLURAL = re.compile(r" (?:[a-z]+ )?(?!times|has|does|is|was|names|lists|bytes)([a-z]{3,}[^s\W]s)\b")
# Of a number that is never 1.
ALWAYS_MANY = {"jobs", "builds", "tags", "characters", "columns"}


@pytest.mark.slow
def test_a_number_has_its_noun_in_singular_and_plural() -> None:
    """`counted` writes both."""
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for number, text in pairwise(node.values if isinstance(node, ast.JoinedStr) else ()):
                if isinstance(number, ast.FormattedValue) and isinstance(text, ast.Constant):
                    noun = PLURAL.match(str(text.value))
                    if noun and noun[1] not in ALWAYS_MANY and NUMBER.search(ast.unparse(number.value)):
                        found.append(f"{path.relative_to(ROOT)}:{number.lineno}: {noun[0]}")
    assert found == []
