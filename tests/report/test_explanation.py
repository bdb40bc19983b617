"""The commands of a build, run by a real shell."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from wheelfarm.report.build import explanation_lines

if TYPE_CHECKING:
    from pathlib import Path


def explained(root: Path) -> dict[str, Any]:
    shared = {
        "PATH": f"{root}/bin:/usr/bin:/bin",
        "FLAGS": "-O2 -g '$x' `y`",
        "HTTPS_PROXY": "http://u:pw@proxy:1",
    }
    show = "import os; print(os.getcwd(), dict(os.environ))"
    steps = [
        {"phase": phase, "cwd": str(root), "env": shared | own, "argv": argv}
        for phase, own, argv in (
            ("environment", {}, [sys.executable, "-c", show, f"{root}/a b"]),
            ("build", {"ONLY": "here $HOME"}, [sys.executable, "-c", show]),
        )
    ]
    record = {
        "origins": {"test.imports": "recipe.toml", "blas": "farm"},
        "record": None,
        "directory": str(root),
        "splits": {},
        "files": {},
    }
    return {"id": "alpha (plain)", "key": "k1", "steps": steps, **record}


def test_the_environment_is_printed_once_and_the_commands_can_be_pasted(tmp_path: Path) -> None:
    root = tmp_path / "it's a $directory"
    root.mkdir()
    build = explained(root)
    lines = list(explanation_lines(build))
    text = "\n".join(lines)
    assert lines[:2] == ["# alpha (plain), key k1", "not built yet"]
    assert "test.imports <- recipe.toml" in lines
    assert "blas         <- farm" in lines
    assert text.count("FLAGS=") == text.count(str(root).split("'")[0]) == 1
    assert "pw" not in text
    script = "\n".join(lines[lines.index("# environment of all commands, for bash") :])
    finished = subprocess.run(["bash", "--norc", "-euc", script], capture_output=True, text=True, check=True)
    first, second = finished.stdout.splitlines()
    for printed, step in zip((first, second), build["steps"], strict=True):
        assert printed.startswith(str(root))
        wanted = step["env"] | {"HTTPS_PROXY": "http://***@proxy:1"}
        seen = ast.literal_eval(printed[len(str(root)) :].strip())
        assert {key: seen.get(key) for key in wanted} == wanted
