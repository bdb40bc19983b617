"""Secrets are redacted wherever a command shows."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from support.commands import ENV, python
from wheelfarm.errors import ProcessError
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from pathlib import Path


class TestSecrets:
    SECRET = "p@ss/wörd 'x'"

    def test_are_nowhere(self, tmp_path: Path) -> None:
        forms = (self.SECRET, quote(self.SECRET), quote(self.SECRET, safe=""), quote_plus(self.SECRET))
        heard: list[str] = []
        log = tmp_path / "log"
        command = python(
            "import sys; print(*sys.argv[1:], sep='\\n')",
            *forms,
            env={"LC_ALL": "C.UTF-8"},
            secrets=(self.SECRET,),
            log=log,
        )
        finished = run(command, on_line=heard.append)
        assert heard == ["***"] * 4
        assert finished.output == "***\n" * 4
        assert finished.argv[-4:] == ("***",) * 4
        everything = log.read_text() + str(command)
        assert not any(form in everything for form in (*forms, shlex.quote(self.SECRET)))

    def test_are_not_in_errors(self, tmp_path: Path) -> None:
        code = "import sys; print(sys.argv[1]); sys.exit(1)"
        with pytest.raises(ProcessError) as caught:
            run(python(code, "hunter22", secrets=("hunter22", "")))
        assert "hunter22" not in str(caught.value)
        assert caught.value.why == "***"
        with pytest.raises(ProcessError) as caught:
            run(Command(argv=(f"{tmp_path}/hunter22",), env=ENV, secrets=("hunter22",)))
        assert "hunter22" not in str(caught.value)

    def test_the_longest_goes_first(self) -> None:
        assert python("", secrets=("abc", "abcdef")).redact("abcdef abc") == "*** ***"

    def test_of_several_lines(self) -> None:
        command = python("", secrets=("{\n-----KEY\nabcdefgh\n}",))
        assert command.redact("{ -----KEY") == "{ ***"
        assert command.redact("abcdefgh") == "***"
