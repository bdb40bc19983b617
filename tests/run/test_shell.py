"""A shell where a build runs, after a success and after a failure, and what becomes of edits there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from support.door import Done

TITLE = ("--title=Say it", "--why=a test needs it", "--upstream=none, a test")


@pytest.fixture
def farm(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    """The farm of the tiny packages with their wheels."""
    return Door(Path(shutil.copytree(built, tmp_path / "farm", symlinks=True)), capsys, monkeypatch)


def root_of(farm: Door, name: str = "tinytop") -> Path:
    """The build directory."""
    loaded = Farm(settings=load(farm.root))
    (build,) = (build for build in loaded.plan(None).builds if build.id.name == name)
    return loaded.engine.stages / build.id.slug


def seen(farm: Door, *words: str, script: str) -> str:
    """What a program in the shell prints, which writes to the terminal past this process."""
    finished = farm.inv("shell", "tinytop", *words, f"--run=({script}) > $HOME/seen 2>&1")
    assert finished.returncode == 0, finished.stderr
    return (root_of(farm) / "home/seen").read_text()


@pytest.mark.slow
class TestHost:
    def test_after_a_success_the_build_is_there_again(self, farm: Door) -> None:
        output = seen(
            farm,
            "--discard",
            script='pwd; env; python -c "import tinybase; print(tinybase.__file__)"; command -v cc',
        )
        root = root_of(farm)
        lines = output.splitlines()
        assert lines[0] == str(root / "source")
        assert f"HOME={root / 'home'}" in lines
        (shown,) = json.loads(farm.inv("explain", "tinytop", "--json").stdout)
        (step,) = (each for each in shown["steps"] if each["phase"] == "build")
        environment = dict(line.split("=", 1) for line in lines if "=" in line)
        # As in the build's own step; `explain` does not know the time of a source.
        names = step["env"].keys() - {"SOURCE_DATE_EPOCH"}
        assert {name: environment.get(name) for name in names} == {name: step["env"][name] for name in names}
        assert str(root / "env") in lines[-2]
        assert lines[-1].startswith(str(root))
        assert list((root / "built").glob("*.whl"))

    def test_before_the_backend(self, farm: Door) -> None:
        seen(farm, "--at=configure", "--discard", script="true")
        assert not list((root_of(farm) / "built").glob("*.whl"))
        seen(farm, script="true")
        assert list((root_of(farm) / "built").glob("*.whl"))

    def test_it_sees_what_the_build_sees(self, farm: Door) -> None:
        secret = farm / "secret.txt"
        secret.write_text("secret")
        assert "secret" not in seen(farm, "--at=configure", script=f"cat {secret} || true").replace(
            str(secret), ""
        )

    def test_the_exit_code_is_that_of_the_program(self, farm: Door) -> None:
        assert farm.inv("shell", "tinytop", "--at=configure", "--run=exit 7").returncode == 7

    def test_an_interactive_shell_on_a_terminal(self, farm: Door) -> None:
        """With job control, in the sandbox, and with its own prompt."""
        ours, theirs = os.openpty()
        words = [sys.executable, "-m", "invoke", "shell", "tinytop", "--at=configure"]
        env = {name: os.environ[name] for name in ("PATH", "HOME")} | {"TERM": "dumb"}
        (farm / "tasks.py").write_text(
            "from wheelfarm.cli.program import collection\nnamespace = collection()\n"
        )
        child = subprocess.Popen(
            words, cwd=farm.root, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        os.write(ours, b"sleep 9 & jobs; echo number-$((1+1)); kill %1; echo ready-$((3+4)); sleep 60\n")
        seen = b""
        with suppress(OSError):
            while chunk := os.read(ours, 4096):
                if b"ready-7" in seen + chunk and b"ready-7" not in seen:
                    time.sleep(1)
                    os.write(ours, b"\x03echo after-$((1+1)); exit 3\n")
                seen += chunk
        os.close(ours)
        assert child.wait(60) == 3
        text = seen.decode()
        assert "number-2" in text
        assert "[tinytop] source" in text
        assert "after-2" in text
        assert "[1]+" in text

    def test_the_environment_of_the_gate(self, farm: Door) -> None:
        script = "import tinytop, sys; sys.exit(0 if sys.prefix in tinytop.__file__ else 1)"
        finished = farm.inv("shell", "tinytop", "--at=test", f'--run=python -c "{script}"')
        assert finished.returncode == 0, finished.stderr
        assert farm.inv("shell", "tinytop", "--at=test", "--run=python -c 'import no_such'").returncode == 1
        assert not root_of(farm).with_name(f"{root_of(farm).name}-shell").exists()

    def test_after_a_failure_an_edit_becomes_a_patch(self, farm: Door) -> None:
        root, source = root_of(farm), root_of(farm) / "source"
        recipe = farm / "recipes/tinytop/recipe.toml"
        (farm / "patches/tinytop").mkdir(parents=True)
        broken = "--- a/setup.py\n+++ b/setup.py\n@@ -0,0 +1 @@\n+raise SystemExit('it is broken')\n"
        seen(farm, "--at=configure", script="true")
        text = (source / "setup.py").read_text().splitlines()
        broken = (
            f"--- a/setup.py\n+++ b/setup.py\n@@ -1 +1,2 @@\n+raise SystemExit('it is broken')\n {text[0]}\n"
        )
        header = "Break it\n\nWhy: a test\nUpstream: none\n\n"
        (farm / "patches/tinytop/0001-break.patch").write_text(header + broken)
        recipe.write_text(f'{recipe.read_text()}\n[[patches]]\nfile = "0001-break.patch"\n')
        assert farm.inv("chain", "tinytop").returncode == 43
        assert "raise SystemExit" in (source / "setup.py").read_text()
        mend = "sed -i 1d setup.py && mkdir new && echo x > new/notes.txt && python -m build -nw >/dev/null"
        finished = farm.inv("shell", "tinytop", f"--run={mend}")
        assert "2 edited files: setup.py, new/notes.txt" in finished.stderr
        # Nothing replaces the directory now.
        for words in (["chain", "tinytop"], ["chain", "tinytop", "--variant=plain"]):
            refused = farm.inv(*words)
            assert "has 2 edited files" in refused.stderr
            assert refused.returncode == 31
        farm.inv("clean")
        assert (source / "new/notes.txt").exists()
        taken = farm.inv("patch.save", "tinytop", "--from-build")
        assert taken.returncode == 0, taken.stderr
        tree = farm / ".wheelfarm/patches/tinytop"
        assert (tree / "new/notes.txt").read_text() == "x\n"
        assert "not committed" in farm.inv("patch.save", "tinytop").stderr
        assert farm.inv("patch.save", "tinytop", *TITLE).returncode == 0
        assert sorted(path.name for path in (farm / "patches/tinytop").iterdir()) == [
            "0001-break.patch",
            "0002-say-it.patch",
        ]
        assert "nothing is edited" in farm.inv("patch.save", "tinytop", "--from-build").stderr
        assert farm.inv("chain", "tinytop").returncode == 0
        assert not root.exists()


def refused(finished: Done, code: int, *texts: str) -> None:
    assert finished.returncode == code
    assert [text for text in texts if text not in finished.stderr] == []


def test_bad_words(farm: Door) -> None:
    refused(farm.inv("shell", "tinytop"), 2, "a shell needs a terminal")
    refused(farm.inv("shell", "tinytop", "--at=biuld", "--run=x"), 2, "did you mean 'build'?")
    refused(farm.inv("shell", "tinytpo", "--run=x"), 2, "did you mean 'tinytop'?")
    refused(
        farm.inv("shell", "tinytop", "--at=test", "--variant=netlib", "--run=x"), 45, "there is no wheel of"
    )
    refused(farm.inv("patch.save", "tinytop", "--from-build"), 30, "nothing is edited in the build directory")
