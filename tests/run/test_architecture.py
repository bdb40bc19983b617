"""The walks in docs/concepts/architecture.md are those that a run of the command line takes."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import wheelfarm
from support.tiny import tiny_farm
from wheelfarm.build.repair import Tool
from wheelfarm.cli.program import FarmProgram, collection
from wheelfarm.system.process import run

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from support.index import Index

PAGE: Final = Path(__file__).parents[2] / "docs" / "concepts" / "architecture.md"
SOURCES: Final = str(Path(wheelfarm.__file__).parent)
SETTING: Final = "-Cquiet=1"
FUNCTIONS, FILES = 20, 10
"""How many may stand between the command line and the process of the backend."""


class Recorder:
    """Records which functions of the farm are called, and the call stacks of some of them.

    A build runs in a thread of its own; its stack follows that of the thread that waits for it.
    """

    def __init__(self) -> None:
        self.calls: dict[str, None] = {}
        self.stacks: dict[CodeType, list[tuple[str, str]]] = {}
        self._ends = {each.__code__ for each in (run, Tool.command)}
        self._waiting = threading.get_ident()

    def profile(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(SOURCES):
            return
        self.calls.setdefault(name_of(frame))
        if code in self._ends and code not in self.stacks and (code is not run.__code__ or is_build(frame)):
            waiting = sys._current_frames()[self._waiting]
            self.stacks[code] = [*hops(waiting), *hops(frame)]


def is_build(frame: FrameType) -> bool:
    return SETTING in frame.f_locals["command"].argv


def name_of(frame: FrameType) -> str:
    return f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}"


def hops(frame: FrameType | None) -> list[tuple[str, str]]:
    """The functions of the farm on a stack with their files, the outermost first."""
    found = []
    while frame is not None:
        if frame.f_code.co_filename.startswith(SOURCES):
            found.append((name_of(frame), frame.f_code.co_filename))
        frame = frame.f_back
    return found[::-1]


@pytest.fixture(scope="module")
def recorder(index: Index, tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """A run of the command line that builds one package with one config setting."""
    root = tmp_path_factory.mktemp("walks")
    tiny_farm(root, index, {"tinyleaf": {"config-settings": {"quiet": "1"}}})
    program = FarmProgram(name="wheelfarm", version="0", namespace=collection())
    found = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        threading.setprofile(found.profile)
        sys.setprofile(found.profile)
        try:
            program.run(["wheelfarm", "chain", "tinyleaf"], exit=False)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return found


def walk(title: str) -> list[str]:
    """The functions of a walk on the page."""
    section = PAGE.read_text(encoding="utf-8").split(f"### {title}\n")[1].split("\n#")[0]
    return re.findall(r"^\d+\. `([^`]+)`", section, re.MULTILINE)


def test_from_the_command_line_to_the_backend(recorder: Recorder) -> None:
    stack = recorder.stacks[run.__code__]
    assert walk("From the command line to the process of the backend") == [name for name, _ in stack]
    assert len(set(stack)) <= FUNCTIONS
    assert len({file for _, file in stack}) <= FILES


@pytest.mark.parametrize("title", ["One config setting", "Storing a wheel"])
def test_these_functions_are_called_in_this_order(recorder: Recorder, title: str) -> None:
    hops = walk(title)
    assert hops
    assert [name for name in recorder.calls if name in hops] == hops


def test_the_choice_of_the_repair_tool(recorder: Recorder) -> None:
    names, hops = (
        [name for name, _ in recorder.stacks[Tool.command.__code__]],
        walk("Choosing the repair tool"),
    )
    assert names[names.index(hops[0]) :] == hops
    assert hops[0] in walk("From the command line to the process of the backend")
