"""Tested code that ends in every way, or tries to answer for the gate: real processes, without wheels."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from support.farm import HERE, make_farm
from support.progress import RecordingListener
from support.raised import only
from wheelfarm.build.host_engine import Host
from wheelfarm.errors import ProcessError
from wheelfarm.gate.clean_environment import write_environment
from wheelfarm.gate.tested_code import Report, run_tested
from wheelfarm.model import Target

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
slow = pytest.mark.slow

LEFT_BEHIND: Final = "98.7654321"
"""Seconds that nothing else sleeps: in a sandbox a process does not know its number outside."""
_FORGED: Final = """
import json, os
result = {"imported": ["alpha"], "smoke": "passed", "cpu": None, "suite": None, "error": None, "outside": [],
          "gil": []}
report = json.dumps({"step": "smoke.py", "result": result, "threads": [], "returncode": 0}) + "\\n"
forged = ("\\nwheelfarm-gate: " + report + report + "0" * 64 + report).encode()
"""


def run_smoke(root: Path, smoke: str, *, time_limit: float = 60.0) -> Report:
    """Run a smoke script in a clean environment without wheels."""
    clean = root / "clean"
    manifest = {"environment": {}, "imports": [], "smoke": "smoke.py", "cpu": False}
    write_environment(clean, [], manifest, time_limit=time_limit)
    (clean / "smoke.py").write_text(smoke)
    engine = Host(make_farm(root / "farm", {}))
    step = engine.clean_environment(clean, Target.parse(HERE))
    listener, log = RecordingListener(), root / "gate.log"
    return run_tested(engine, step, clean, log=log, time_limit=time_limit, listener=listener)


HARMLESS: Final = {
    "no end of line": "print('loading...', end='', flush=True)",
    "fork": "import os; os.fork()",
    "encoding": "import os; os.write(1, '\\r \\u2028'.encode('utf-16') + b'\\xff\\x00')",
    "patched": "import json, os, hmac; json.dumps = hmac.digest = os.dup2 = None",
    "atexit": "import atexit; atexit.register(lambda: 1 / 0)",
    "daemon": "import threading as t, time; t.Thread(target=time.sleep, args=(99,), daemon=True).start()",
    "every": "import os\nfor n in range(3, 99):\n try: os.write(n, b'x' * 99)\n except OSError: 0",
    "dup2": "import os; os.dup2(os.open('x', os.O_CREAT | os.O_RDWR), 1)",
    "replaced": "import sys; sys.stdout = sys.stderr = object()",
    "none": "import sys; sys.stdout = sys.stderr = None",
    "closed": "import os; print('x'); os.close(1); os.close(2)",
    "closerange": "import os; print('x'); os.closerange(0, 256)",
    "exit": "raise SystemExit(0)",
}
HARMLESS_TOGETHER: Final = "\n".join(HARMLESS[key] for key in HARMLESS if key not in {"patched", "closed"})


@pytest.mark.parametrize(
    "smoke", [HARMLESS_TOGETHER, *(pytest.param(each, id=key, marks=slow) for key, each in HARMLESS.items())]
)
def test_what_does_not_disturb_the_answer(tmp_path: Path, smoke: str) -> None:
    report = run_smoke(tmp_path, smoke)
    assert (report.failure(60.0), report.result and report.result.smoke) == (None, "passed")


def test_tested_code_makes_sockets_wherever_the_farm_builds(tmp_path: Path) -> None:
    smoke = """
import os, tempfile
from multiprocessing.connection import Listener

with tempfile.NamedTemporaryFile() as file:
    assert os.path.samefile(os.path.dirname(file.name), os.environ["TMPDIR"])
Listener(family="AF_UNIX").close()
"""
    root = tmp_path / ("a-long-name" * 6)
    root.mkdir()
    report = run_smoke(root, smoke)
    assert (report.failure(60.0), report.result and report.result.smoke) == (None, "passed")


EVERY: Final = "[os.path.exists(f'/proc/self/fd/{n}') and os.write(n, forged) for n in range(1, 99)]"
FORGERIES: Final = {
    "output": "os.write(1, forged)",
    "fork": "os.fork() or (os.setsid(), os.write(1, forged))",
    "atexit": f"import atexit; atexit.register(os._exit, 0); {EVERY}; raise OSError",
    "exec": "os.execvp('printf', ['printf', '%s', forged])",
}


@pytest.mark.parametrize(
    "how", [EVERY, *(pytest.param(how, id=key, marks=slow) for key, how in FORGERIES.items())]
)
def test_tested_code_cannot_answer_for_the_gate(tmp_path: Path, how: str) -> None:
    report = run_smoke(tmp_path, f"{_FORGED}\n{how}\nos._exit(0)")
    assert report.result is None or report.result.error
    assert report.failure(60.0) is not None


def test_the_process_that_answers_is_out_of_reach(tmp_path: Path) -> None:
    code = """
import os
for name in ("fd/0", "fd/1", "mem"):
    try:
        open(f"/proc/{os.getppid()}/{name}", "rb").read(1)
    except PermissionError:
        continue
    raise SystemExit(name)
"""
    assert run_smoke(tmp_path, code).failure(60.0) is None


def test_code_that_ends_its_process(tmp_path: Path) -> None:
    report = run_smoke(tmp_path, "import os; print('bye', flush=True); os._exit(0)")
    assert report.failure(60.0) == (
        "smoke.py: the process ended with exit code 0 before the test came to its end\nbye",
        "something in it ends the process, as os._exit does",
    )


@pytest.mark.parametrize(
    "name",
    ["SIGILL", *(pytest.param(f"SIG{each}", marks=slow) for each in ("SEGV", "ABRT", "BUS", "FPE", "KILL"))],
)
def test_a_signal_by_its_name(tmp_path: Path, name: str) -> None:
    code = "ctypes.string_at(0)" if name == "SIGSEGV" else f"os.kill(os.getpid(), {getattr(signal, name):d})"
    why, hint = run_smoke(tmp_path, f"import ctypes, os; {code}").failure(60.0) or ("", "")
    assert why.startswith(f"smoke.py: the process was ended by {name} before the test came to its end")
    # Python's own traceback says where.
    assert ("smoke.py" in why.partition("\n")[2]) is (name != "SIGKILL")
    assert ("-march" in str(hint)) is (name == "SIGILL")
    assert ("null pointer" in str(hint)) is (name in {"SIGSEGV", "SIGBUS"})


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("os._exit, 3", "the process ended with exit code 3"),
        pytest.param("os.kill, os.getpid(), 11", "the process was ended by SIGSEGV", marks=slow),
    ],
)
def test_a_process_that_fails_as_it_ends(tmp_path: Path, function: str, why: str) -> None:
    code = f"import atexit, os; atexit.register({function})"
    found, _ = run_smoke(tmp_path, code).failure(60.0) or ("", "")
    assert found == f"the test passed, but then, as it ended, {why}"


def test_a_thread_that_does_not_end_is_named(tmp_path: Path) -> None:
    code = "import threading, time; threading.Thread(target=time.sleep, args=(99,), name='worker').start()"
    why, hint = run_smoke(tmp_path, code, time_limit=2.0).failure(2.0) or ("", "")
    ending = "the process did not end within its time limit of 2 s"
    assert why == f"the test passed, but {ending}: it waits for these threads, which are no daemons: worker"
    assert hint == "end them in an atexit function, or make them daemons"


@slow
def test_output_without_end_is_cut_off(tmp_path: Path) -> None:
    why, hint = run_smoke(tmp_path, "while True: print('x' * 9999)", time_limit=3.0).failure(3.0) or ("", "")
    assert (why, hint) == (
        "smoke.py: it ran longer than its time limit of 3 s",
        "test.time-limit, where it needs longer",
    )
    assert (tmp_path / "gate.log").stat().st_size < 20_000_000


def test_what_a_test_leaves_behind_is_ended(tmp_path: Path) -> None:
    code = f"""
import os, time
child = os.fork()
if not child:
    os.setsid()
    os.execvp("sleep", ["sleep", {LEFT_BEHIND!r}])
time.sleep(0.5)
assert os.waitpid(child, os.WNOHANG) == (0, 0)
"""
    began = time.monotonic()
    assert run_smoke(tmp_path, code).failure(60.0) is None
    assert time.monotonic() - began < 30
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended since
            commands.append(path.read_bytes())
    assert not any(LEFT_BEHIND.encode() in command for command in commands)


@slow
def test_a_process_that_kills_its_parent_gives_no_report(tmp_path: Path) -> None:
    error = only(
        lambda: run_smoke(tmp_path, "import os, time; os.kill(os.getppid(), 9); time.sleep(5)"), ProcessError
    )
    assert "was ended by SIGKILL" in error.what


def test_an_error_has_its_whole_message(tmp_path: Path) -> None:
    assert run_smoke(tmp_path, "raise OSError('one\\n  two\\n  three')").failure(60.0) == (
        "smoke.py: OSError: one\n  two\n  three",
        None,
    )
