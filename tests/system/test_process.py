"""Running programs, with real processes."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from support.commands import ENV, python, wait_until_gone
from wheelfarm.errors import CancelledRunError, ProcessError
from wheelfarm.system import process_group as group
from wheelfarm.system.environment import allowed, which
from wheelfarm.system.process import Command, Output, run, run_attached


class TestRun:
    def test_gives_output_and_exit_code(self) -> None:
        finished = run(
            python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), check=False
        )
        assert (finished.output, finished.returncode) == ("out\nerr\n", 3)
        assert finished.argv[0] == sys.executable
        assert 0 < finished.seconds < 20

    def test_the_child_sees_the_given_environment_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LEAKED", "yes")
        finished = run(python("import os; print(sorted(os.environ))", env={"GIVEN": "1", "LC_CTYPE": "C"}))
        assert finished.output == "['GIVEN', 'LC_CTYPE']\n"

    def test_runs_in_the_working_directory(self, tmp_path: Path) -> None:
        assert run(python("import os; print(os.getcwd())", cwd=tmp_path)).output == f"{tmp_path}\n"

    def test_lines_are_heard_as_they_come(self) -> None:
        heard: list[str] = []
        run(python(r"print('a\n\nb', end='')"), on_line=heard.append)
        assert heard == ["a", "", "b"]

    def test_stdin_is_given_whether_or_not_it_is_read(self) -> None:
        text = "ü" * 300_000
        assert run(python("import sys; print(len(sys.stdin.buffer.read()))", stdin=text)).output == "600000\n"
        assert run(python("print('unread')", stdin=text)).output == "unread\n"
        assert run(python("import sys; print(repr(sys.stdin.read()))")).output == "''\n"

    def test_the_log_is_appended_to(self, tmp_path: Path) -> None:
        log = tmp_path / "logs" / "build.log"
        command = python("print('hello world')", cwd=tmp_path, log=log)
        run(command)
        run(command)
        lines = log.read_text().splitlines()
        assert lines[:3] == [f"$ {shlex.join(command.argv)}", f"# in {tmp_path}", "hello world"]
        assert lines[3].startswith("# ended with exit code 0 after ")
        assert len(lines) == 8

    def test_bytes_that_are_not_utf8_are_replaced(self) -> None:
        code = r"""
            import sys
            for part in (b'a\xff\xc3', b'\xa9\xc3'):
                sys.stdout.buffer.write(part)
                sys.stdout.flush()
        """
        assert run(python(code)).output == "a�é�\n"

    def test_the_listener_gets_progress_lines_and_the_output_has_the_last(self) -> None:
        heard: list[str] = []
        finished = run(python(r"print('1%\r2%\r\r\nx\r\n\r\nlast\r', end='')"), on_line=heard.append)
        assert heard == ["1%", "2%", "x", "", "last"]
        assert finished.output == "2%\nx\n\nlast\n"

    def test_a_child_that_closes_its_output_is_waited_for(self) -> None:
        code = "import os, sys, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(4)"
        assert run(python(code), check=False).returncode == 4
        with pytest.raises(ProcessError, match="time limit"):
            run(python("import os, time; os.close(1); os.close(2); time.sleep(60)", time_limit=0.5))


class TestAttached:
    """Of programs that have the terminal, and what is written to it, for themselves."""

    def test_it_writes_and_ends_as_it_likes(self, capfd: pytest.CaptureFixture[str]) -> None:
        program = "import os, sys; print(os.environ['GIVEN']); print('err', file=sys.stderr); sys.exit(3)"
        assert run_attached(python(program, env={"GIVEN": "out"})) == 3
        assert capfd.readouterr() == ("out\n", "err\n")

    def test_a_program_that_is_missing(self) -> None:
        with pytest.raises(ProcessError, match="no-such-program was not found"):
            run_attached(Command(argv=("no-such-program",), env=ENV))

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
    def test_an_interrupt_ends_it_too(self, tmp_path: Path) -> None:
        note = tmp_path / "pid"
        threading.Timer(1.0, signal.raise_signal, [signal.SIGINT]).start()
        program = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
        with pytest.raises(KeyboardInterrupt):
            run_attached(python(program))
        wait_until_gone(int(note.read_text()))


class TestFailures:
    def test_an_exit_code_shows_the_last_lines(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        with pytest.raises(ProcessError) as caught:
            run(python("for i in range(100): print('line', i)\nraise SystemExit(7)", log=log, cwd=tmp_path))
        error = caught.value
        assert error.what == f"{Path(sys.executable).name} ended with exit code 7"
        assert error.why is not None
        assert error.why.splitlines() == [f"line {i}" for i in range(80, 100)]
        assert error.where is not None
        assert error.where.endswith(f"(in {tmp_path})")
        assert error.log == log

    @pytest.mark.parametrize(
        ("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGKILL, "SIGKILL"), (40, "signal 40")]
    )
    def test_a_signal_is_named(self, number: int, name: str) -> None:
        with pytest.raises(ProcessError, match=f"was ended by {name}") as caught:
            run(python(f"import os; os.kill(os.getpid(), {int(number)})"))
        assert caught.value.why == "it printed nothing"
        assert ("memory" in str(caught.value.hint)) == (number == signal.SIGKILL)

    @pytest.mark.parametrize("program", ["no-such-program", "/no/such/program"])
    def test_a_program_that_is_missing(self, program: str) -> None:
        with pytest.raises(ProcessError, match=r"no-such-program|program was not found") as caught:
            run(Command(argv=(program,), env=ENV))
        assert "PATH" in str(caught.value.hint)

    def test_a_file_that_is_not_executable(self, tmp_path: Path) -> None:
        file = tmp_path / "script"
        file.write_text("no program")
        with pytest.raises(ProcessError, match="script cannot be executed") as caught:
            run(Command(argv=(str(file),), env=ENV))
        assert caught.value.why == "Permission denied"

    def test_a_null_byte(self) -> None:
        with pytest.raises(ProcessError, match="cannot be executed") as caught:
            run(python("", "a\0b"))
        assert "null byte" in str(caught.value.why)

    def test_a_working_directory_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ProcessError, match="cannot run in"):
            run(python("", cwd=tmp_path / "gone"))


def test_the_output_has_at_most_two_megabytes() -> None:
    output = Output(python(""), None, None)
    for number in range(30):
        output.feed(f"{number:02}{'x' * 99_997}\n".encode())
    assert len(output.text()) == 2_000_000
    assert output.text().startswith("10x")
    output.feed(b"y" * 3_000_000, final=True)
    assert output.text() == "y" * 1_999_999 + "\n"


class TestAllowed:
    def test_what_builds_need_and_no_more(self) -> None:
        good = "HOME LANG LC_ALL NO_PROXY PATH SSL_CERT_FILE SystemRoot TMPDIR XDG_CACHE_HOME https_proxy"
        bad = "CFLAGS LDFLAGS PYTHONPATH PIP_INDEX_URL UV_INDEX CIBW_BUILD OPENBLAS_NUM_THREADS"
        names = [*bad.split(), *reversed(good.split())]
        assert list(allowed(dict.fromkeys(names, "1"))) == good.split()

    def test_keep(self) -> None:
        environ = {"CCACHE_DIR": "/c", "SSH_AUTH_SOCK": "/s", "OTHER": "x"}
        assert allowed(environ, keep=["CCACHE_*", "SSH_AUTH_SOCK"]) == {
            "CCACHE_DIR": "/c",
            "SSH_AUTH_SOCK": "/s",
        }


class TestWhich:
    def test_looks_on_the_childs_path(self, tmp_path: Path) -> None:
        program = tmp_path / "tool"
        program.write_text("#!/bin/sh\necho mine\n")
        program.chmod(0o755)
        assert which("tool", {"PATH": str(tmp_path)}) == program
        assert which("tool", {"PATH": ""}) is None
        assert run(Command(argv=("tool",), env={"PATH": str(tmp_path)})).output == "mine\n"

    def test_without_a_path_the_systems_default_counts(self) -> None:
        assert which("sh", {}) is not None


@pytest.mark.parametrize(
    "code",
    [
        "import os, time; print(os.getpid()); time.sleep(60)",
        "import os, time; print(os.getpid()); os.close(1); os.close(2); time.sleep(60)",
        "import os\nwhile True: print(os.getpid())",
    ],
    ids=["silent", "closed", "chatty"],
)
def test_a_running_command_is_ended(code: str, tmp_path: Path) -> None:
    cancelled = threading.Event()
    heard: list[str] = []
    log = tmp_path / "log"
    threading.Timer(0.5, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(CancelledRunError, match="was stopped") as caught:
        run(python(code, cancelled=cancelled, log=log), on_line=heard.append)
    assert time.monotonic() - began < 4
    assert wait_until_gone(int(heard[0]))
    assert log.read_text().endswith("# cancelled\n")
    assert not isinstance(caught.value, ProcessError)
    assert caught.value.log == log


def test_one_that_ignores_the_request_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "GRACE", 0.3)
    cancelled = threading.Event()
    heard: list[str] = []

    def listen(line: str) -> None:
        heard.append(line)
        cancelled.set()

    code = """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(os.getpid()); time.sleep(60)
    """
    with pytest.raises(CancelledRunError):
        run(python(code, cancelled=cancelled), on_line=listen)
    assert wait_until_gone(int(heard[0]))


def test_nothing_starts_after_it(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    code = f"open({str(tmp_path / 'made')!r}, 'w')"
    with pytest.raises(CancelledRunError) as caught:
        run(python(code, "hunter22", cancelled=cancelled, secrets=("hunter22",)))
    assert not list(tmp_path.iterdir())
    assert "hunter22" not in str(caught.value)


STUBBORN = """
    import signal, subprocess, sys, time
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('up', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child.stdout.readline()
    print(child.pid)
    time.sleep(60)
"""


class TestEnd:
    def test_the_time_limit_kills_what_ignores_the_request(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(group, "GRACE", 0.3)
        heard: list[str] = []
        log = tmp_path / "log"
        with pytest.raises(ProcessError, match=r"longer than its time limit of 2\.5 s") as caught:
            run(python(STUBBORN, time_limit=2.5, log=log), on_line=heard.append)
        why = f"it was killed at its time limit of 2.5 s; before that it printed:\n{heard[0]}"
        assert caught.value.why == why
        assert wait_until_gone(int(heard[0]))
        assert "# killed at its time limit" in log.read_text()

    def test_the_group_gets_sigterm_before_it_is_killed(self) -> None:
        code = """
            import signal, sys, time
            def polite(*_): print("thank you"); sys.exit(0)
            signal.signal(signal.SIGTERM, polite)
            print("ready"); time.sleep(60)
        """
        began = time.monotonic()
        with pytest.raises(ProcessError, match="time limit"):
            run(python(code, time_limit=1))
        assert time.monotonic() - began < 4

    def test_an_exception_of_the_listener_kills_the_group(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(group, "GRACE", 0.1)
        pids: list[int] = []

        def listen(line: str) -> None:
            pids.append(int(line))
            raise LookupError

        with pytest.raises(LookupError):
            run(python(STUBBORN, log=tmp_path / "log"), on_line=listen)
        assert wait_until_gone(pids[0])
        assert (tmp_path / "log").read_text().endswith("# killed\n")

    def test_an_interrupt_kills_the_group(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(group, "GRACE", 0.1)
        pids: list[int] = []

        def interrupt(line: str) -> None:
            pids.append(int(line))
            threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,)).start()

        with pytest.raises(KeyboardInterrupt):
            run(python(STUBBORN), on_line=interrupt)
        assert wait_until_gone(pids[0])

    def test_the_child_leads_its_own_session(self) -> None:
        sessions = run(python("import os; print(os.getsid(0) == os.getpid() == os.getpgid(0))"))
        assert sessions.output == "True\n"

    def test_a_grandchild_that_holds_the_output_is_ended(self) -> None:
        code = """
            import subprocess, sys
            chatty = "import time\\nwhile 1: print('x', flush=True); time.sleep(.01)"
            child = subprocess.Popen([sys.executable, "-c", chatty])
            print(child.pid)
        """
        finished = run(python(code, time_limit=20))
        assert finished.returncode == 0
        assert wait_until_gone(int(finished.output.split()[0]))


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
