"""Each block of the pages is checked: command lines by the real parsers, tables by the real models.

`CHECKS` has the check of each language, and a block in another language is an error. What a program prints
stands in blocks of `text`. What a check cannot know is in the tables of support/page_commands.py and
support/page_tables.py, with reasons.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from support.page_commands import (
    EXAMPLES,
    OTHERS,
    RECIPES,
    ROOT,
    SCRIPTS,
    TASKS,
    VALUES,
    check_dockerfile,
    check_inline,
    check_shell,
    program_of,
)
from support.page_tables import BASES, BEFORE, check_ini, check_python, check_toml, check_yaml
from support.pages import Block, read_blocks, read_commands

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGES: Final = sorted(
    page
    for page in (*ROOT.glob("*.md"), ROOT / "wheelhouse/README.md", *ROOT.glob("docs/**/*.md"))
    # The changelog is about commands of other days.
    if "_build" not in page.parts and page.name != "CHANGELOG.md"
)
PEOPLE: Final = sorted(ROOT.glob("docs/people/*.md"))
SHELL: Final = {"sh", "console", "bash", "shell"}
CHECKS: Final[dict[str, Callable[[Block, Path], None]]] = {
    **dict.fromkeys(SHELL, lambda block, _: check_shell(block)),
    "inline": lambda block, _: check_inline(block),
    "dockerfile": lambda block, _: check_dockerfile(block),
    "toml": check_toml,
    "yaml": check_yaml,
    "ini": lambda block, _: check_ini(block),
    "python": lambda block, _: check_python(block),
}
PASSED_OVER: Final = {
    "text": "output, or what a person writes",
    "{toctree}": "Sphinx reads it, with warnings as errors",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_block_of_a_page_is_right(page: Path, tmp_path: Path) -> None:
    found = []
    for block in read_blocks(page):
        if block.language in PASSED_OVER:
            continue
        if block.language not in CHECKS:
            found.append(f"{block}: no check for {block.language or 'a block without language'}")
            continue
        try:
            CHECKS[block.language](block, tmp_path)
        except Exception as error:  # noqa: BLE001 - whatever a parser raises
            found.append(f"{block}: {error}")
    assert found == []


@pytest.mark.parametrize("page", PEOPLE, ids=lambda page: page.stem)
def test_the_page_of_a_person_has_five_commands(page: Path) -> None:
    texts = [block.text for block in read_blocks(page) if block.language in SHELL]
    assert len([command for text in texts for command in read_commands(text)]) == 5


WRONG = [
    ("sh", "inv chan scipy", "no task 'chan'"),
    ("sh", "inv chain sicpy", "did you mean 'scipy'"),
    ("sh", "inv chain scipy pandas", "packages are one word"),
    ("sh", "wheelfarm chain scipy padnas", "did you mean 'pandas'"),
    ("sh", "inv plan scipy --varant slim", "no option --varant"),
    ("sh", "inv plan scipy --variant slin", "did you mean 'slim'"),
    ("sh", "inv plan scipy -v", "needed value"),
    ("sh", "inv chain scipy --jobs many", "a number of processors"),
    ("sh", "inv chain scipy --engine hots", "host"),
    ("sh", "inv deploy.layer scipy --limit 250", "is no size"),
    ("sh", "inv deploy.layer scipy --keep texts", "did you mean 'tests'"),
    ("sh", "inv wheel.gate scipy --like rhle9", "rhel9"),
    ("sh", "inv wheel.inspect sicpy", "did you mean 'scipy'"),
    ("sh", "inv index.config uvv all", "uvv"),
    ("sh", "inv index.publish all --index nowhere", "unknown word 'nowhere'"),
    ("sh", "cd .. && \\\n  .venv/bin/inv recipe.lsit  # a comment", "recipe.list"),
    ("sh", "nox -s build-sicpy", "no session build-sicpy"),
    ("sh", "nox -s 'build-scipy(slin)'", "no session build-scipy(slin)"),
    ("sh", "nox -s build-scipy -- --hots", "no option --hots"),
    ("sh", "nox --sesion tests", "nox refuses"),
    ("sh", "nox -s tests -- tests/nothing", "cannot take tests/nothing"),
    ("sh", "nox -s bench-stack -- --quik", "cannot take --quik"),
    ("sh", "nox -s lint -- --fix", "cannot take --fix"),
    ("sh", "WHEELFARM_VARAINT=slim inv plan scipy", "WHEELFARM_VARIANT"),
    ("sh", "export WHEELFARM_IMAGE_X=y", "unknown variable"),
    ("sh", ".ci/nothing", "no file .ci/nothing"),
    ("sh", "make all", "make is no program of the farm"),
    ("sh", "echo 'open", "No closing quotation"),
    ("sh", "python3 <<EOF", "cannot read '<<'"),
    ("inline", "inv recipe.lsit", "recipe.list"),
    ("inline", "inv recipe.bump --chekc", "--check"),
    ("toml", 'key = "open', "Unterminated string"),
    ("toml", "[tool.wheelfarm]\nvariant = 'slin'", "did you mean 'slim'"),
    ("toml", "[tool.wheelfarm.ci]\npyhtons = []", "did you mean 'pythons'"),
    ("toml", "[tool.wheelfarm.defaults.variants.slin.append]", "unknown variant 'slin'"),
    ("toml", "[tool.ruff]\nline-length = 1", "does not read this table"),
    ("toml", "[sizes.openblas.hots]", "hots"),
    ("toml", "[sorce]", "did you mean 'source'"),
    ("toml", "[source]\nkind = 'git'\nurl = 'u'", "missing key 'commit'"),
    ("toml", "[variants.slin.append]", "unknown variant 'slin'"),
    ("toml", "[tool.wheelfarm]\nbase = { gti = 'x' }", "gti"),
    ("toml", "[append]\nenvironmetn.A = '1'", "did you mean 'environment'"),
    ("toml", "[replace]\nenvironment.A = '1'", "has no value that could be replaced"),
    ("toml", "[environment]\nCFLAGS = '-g0'", "has a default of the farm"),
    ("toml", "[variants.slim.replace]\nexpect.blas = 'mkl'\nexpect.interface = 'lp65'", "lp65"),
    ("dockerfile", "FORM python:3.11", "no instruction"),
    ("dockerfile", "RUN pip install numpy", "no instruction"),
    ("dockerfile", "FROM a AS b\nCOPY --from=c /opt /opt", "no stage for --from=c"),
    ("dockerfile", "FROM a\nRUN inv chan", "no task 'chan'"),
    ("yaml", "a: [", "expected the node content"),
    ("yaml", "on: push\njobs: {a: {steps: []}}", "GitHub refuses"),
    ("ini", "index-url = x", "no section headers"),
    ("python", "import", "invalid syntax"),
]


@pytest.mark.parametrize(("language", "text", "message"), WRONG, ids=[text for _, text, _ in WRONG])
def test_a_wrong_block_is_found(language: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=re.escape(message)):
        CHECKS[language](Block(tmp_path / "page.md", 1, language, text), tmp_path)


def test_blocks_and_commands_in_sentences_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `word`\n\n- in a list:\n\n  ```sh title\n  inv plan a\n  ```\n\n"
        "| `inv plan b` |\n|---|\n| `inv plan c` |\n\n"
        "    inv plan d\n\nIn a sentence: `inv plan e`.\n",
        encoding="utf-8",
    )
    found = [(block.line, block.language, block.text) for block in read_blocks(page)]
    assert found == [
        (5, "sh", "inv plan a\n"),
        (9, "inline", "inv plan b"),
        (11, "inline", "inv plan c"),
        (15, "inline", "inv plan e"),
    ]


def test_commands_of_a_shell_block() -> None:
    text = "A=1 B='2 3' a 'b c' \\\n  d > file | e  # comment\nexport C=4\n. f && (g; h)"
    found = [(each.words, each.variables) for each in read_commands(text)]
    assert found == [
        (("a", "b c", "d"), (("A", "1"), ("B", "2 3"))),
        (("e",), ()),
        (("export",), (("C", "4"),)),
        ((".", "f"), ()),
        (("g",), ()),
        (("h",), ()),
    ]


def test_what_the_tables_say_is_needed() -> None:
    blocks = [block for page in PAGES for block in read_blocks(page)]
    runs = [
        line.removeprefix("RUN ")
        for block in blocks
        if block.language == "dockerfile"
        for line in block.text.replace("\\\n", " ").splitlines()
        if line.startswith("RUN")
    ]
    texts = [*(block.text for block in blocks if block.language in SHELL), *runs]
    assert OTHERS.keys() <= {program_of(command) for text in texts for command in read_commands(text)}
    firsts = {
        (block.page.relative_to(ROOT).as_posix(), block.text.partition("\n")[0])
        for block in blocks
        if block.language == "toml"
    }
    assert BASES.keys() <= firsts
    assert BEFORE.keys() <= {first for _, first in firsts}
    pages = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
    for page, (names, _) in EXAMPLES.items():
        assert all(name in pages[page] and name not in RECIPES for name in names), page
    options = {str(argument.name) for name in TASKS.task_names for argument in TASKS[name].get_arguments()}
    assert VALUES.keys() <= options
    assert all((ROOT / script).is_file() for script in SCRIPTS.values())
