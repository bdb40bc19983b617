"""inv clean: what goes, what stays."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from invoke.context import Context

from support.farm import make_farm
from wheelfarm.cli.build import clean as task
from wheelfarm.run.build_lock import BuildLock
from wheelfarm.run.disk_space import Leftover, clean
from wheelfarm.run.farm import Farm
from wheelfarm.system.process_group import marked

if TYPE_CHECKING:
    from wheelfarm.recipes.settings import Settings

BUILD = "alpha-plain-cp311-manylinux_x86_64"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = make_farm(tmp_path / "farm", {"alpha": {}}, settings={"stages": str(tmp_path / "stages")})
    for path, count in (
        (settings.stages / f"{BUILD}.cache" / "build" / "object.o", 1000),
        (settings.stages / BUILD / "source" / "x.c", 100),
        (settings.work / "stages" / f"{BUILD}.cache" / "source" / "x.c", 10),
        (settings.work / "ungated" / "0123" / "alpha.whl", 1),
        (settings.work / "logs" / f"{BUILD}.log", 7),
    ):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * count)
    (settings.stages / BUILD / "source" / "again").hardlink_to(settings.stages / BUILD / "source" / "x.c")
    return settings


def files(settings: Settings) -> list[str]:
    roots = (settings.stages, settings.work)
    return sorted(path.name for root in roots for path in root.rglob("*") if path.is_file())


def test_all_goes_but_the_logs(settings: Settings) -> None:
    before = files(settings)
    leftovers = list(clean(Farm(settings=settings), wheels=False, dry_run=True))
    assert [(each.kind, each.size) for each in leftovers] == [
        (Leftover.CACHE, 1000),
        (Leftover.FAILED, 100),
        (Leftover.CACHE, 10),
        (Leftover.UNGATED, 1),
    ]
    assert [name for name in files(settings) if not name.endswith(".lock")] == before
    assert list(clean(Farm(settings=settings), wheels=False, dry_run=False)) == leftovers
    assert {name for name in files(settings) if not name.endswith(".lock")} == {f"{BUILD}.log"}
    assert not list(clean(Farm(settings=settings), wheels=True, dry_run=False))


def test_what_another_run_uses_stays(settings: Settings) -> None:
    with BuildLock(settings.stages, BUILD).try_hold() as locked:
        assert locked
        gone = list(clean(Farm(settings=settings), wheels=False, dry_run=False))
    assert [(each.kind, each.size) for each in gone] == [(Leftover.CACHE, 10)]
    assert {"object.o", "x.c", "alpha.whl"} <= set(files(settings))


@pytest.mark.skipif(sys.platform != "linux", reason="processes are identified by /proc")
def test_what_a_killed_run_left_running_is_ended(settings: Settings) -> None:
    """Otherwise nobody would end it, unless the same build runs again."""
    mark = settings.stages / "gone.running"
    mark.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as left:
        with marked(mark) as note:
            note(left.pid)
            noted = mark.read_text()
        mark.write_text(noted)
        list(clean(Farm(settings=settings), wheels=False, dry_run=True))
        assert left.poll() is None
        threading.Thread(target=left.wait).start()  # as init does, when the farm is gone
        list(clean(Farm(settings=settings), wheels=False, dry_run=False))
        assert left.wait(5) == -signal.SIGKILL
    assert not mark.exists()


def test_what_another_run_removes_meanwhile_is_no_error(settings: Settings) -> None:
    other = settings.stages / BUILD.replace("alpha", "beta")
    other.mkdir()
    found = clean(Farm(settings=settings), wheels=False, dry_run=False)
    first = next(found)
    other.rmdir()
    assert [first.size, *(each.size for each in found)] == [1000, 100, 10, 1]


def test_the_task(
    settings: Settings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(settings.root)
    monkeypatch.setenv("WHEELFARM_STAGES", str(settings.stages))
    task(Context(), dry_run=True, json=True)
    out, err = capfd.readouterr()
    kinds = ["build cache", "failed build", "build cache", "ungated wheel"]
    assert [each["kind"] for each in json.loads(out)] == kinds
    assert err.strip() == "1.1 kB would be freed"
    task(Context())
    out, _ = capfd.readouterr()
    assert [line.split("  ")[0] for line in out.splitlines()] == kinds
    assert Path(settings.work, "logs").is_dir()
