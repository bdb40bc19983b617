"""The wheelhouse is never half-written: kills at any instant, several processes at once, a full disk."""

from __future__ import annotations

import multiprocessing
import random
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from support.disks import fill, small_disk
from support.store import (
    VARIANT,
    check_tidy,
    check_whole,
    collect_and_die,
    key_of,
    put,
    put_all,
    put_and_die,
    put_forever,
    stock,
    tiny_wheel,
    try_and_die,
)
from wheelfarm.errors import WheelhouseError
from wheelfarm.system.files import write_atomically
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkProcess
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL and mounts file systems"),
    # xdist's workers have threads; the children touch nothing of theirs.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

KILLS = 40
PROCESSES = multiprocessing.get_context("fork")  # a child starts in milliseconds, so that many can be killed


def started(work: Callable[..., None], *arguments: object) -> ForkProcess:
    process = PROCESSES.Process(target=work, args=arguments)
    process.start()
    return process


def ended(work: Callable[..., None], *arguments: object) -> int | None:
    process = started(work, *arguments)
    process.join()
    return process.exitcode


@pytest.mark.slow
def test_a_kill_at_a_random_instant_leaves_only_whole_wheels(tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    wheels, root = stock(tmp_path / "built"), tmp_path / "wheelhouse"
    began = time.monotonic()
    put(Wheelhouse(tmp_path / "timed"), wheels[0], "timed")
    longest = 2 * (time.monotonic() - began)  # a busy disk takes ten times as long
    listed: set[str] = set()
    for _ in range(KILLS):
        process = started(put_forever, root, wheels, chance.randrange(2**32))
        time.sleep(chance.uniform(0, longest))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        now = check_whole(root)
        assert listed <= now, "a kill made the index forget a wheel"
        listed = now
    assert listed
    last = put(Wheelhouse(root), wheels[0], "last")
    check_tidy(root)
    assert Wheelhouse(root).find(VARIANT, last.key, verify=True) == last


@pytest.mark.slow
@pytest.mark.parametrize("first", ["an empty wheelhouse", "a new project", "other bytes"])
def test_a_kill_before_each_step_of_a_store(tmp_path: Path, first: str) -> None:
    wheel = tiny_wheel(tmp_path / "new", content="new")
    before = {
        "an empty wheelhouse": [],
        "a new project": [(tiny_wheel(tmp_path / "old", "other"), "old")],
        "other bytes": [(tiny_wheel(tmp_path / "old", content="old"), "old")],
    }[first]
    for step in range(1, 200):
        root = tmp_path / f"wheelhouse {step}"
        wheelhouse = Wheelhouse(root)
        old = [put(wheelhouse, path, key) for path, key in before]
        exitcode = ended(put_and_die, root, wheel, "new", step)
        check_whole(root)
        assert all(wheelhouse.find(VARIANT, stored.key, verify=True) for stored in old)
        put(wheelhouse, tiny_wheel(tmp_path / "third", "third"), "third")
        check_tidy(root)
        found = wheelhouse.find(VARIANT, key_of("new"), verify=True)
        if found is not None:
            assert wheelhouse.activate(VARIANT, found.key) == found
            check_tidy(root)
        if exitcode == 0:
            assert found is not None
            assert step > 20
            return
        assert exitcode == -signal.SIGKILL
        shutil.rmtree(root)
    pytest.fail("a store has no end")


def test_pages_that_a_killed_store_has_not_written_are_completed(tmp_path: Path) -> None:
    """The farm reads the JSON page of a project, which is written first; installers read all of them."""
    root = tmp_path / "wheelhouse"
    wheelhouse = Wheelhouse(root)
    put(wheelhouse, tiny_wheel(tmp_path), "key")
    simple = root / VARIANT / "simple"
    for page in ("demo/index.html", "index.html", "index.json"):
        (simple / page).unlink()
    (root / VARIANT / ".unfinished").touch()
    wheelhouse.complete(VARIANT)
    check_tidy(root)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    wheelhouse.complete(VARIANT)
    wheelhouse.complete("another")
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


@pytest.mark.slow
def test_a_kill_while_a_key_gets_other_bytes(tmp_path: Path) -> None:
    """Not what a farm hopes for, but a build that is not reproducible may be forced to run again."""
    old, new = (tiny_wheel(tmp_path / text, content=text) for text in ("old", "new"))
    for step in range(1, 200):
        root = tmp_path / f"wheelhouse {step}"
        wheelhouse = Wheelhouse(root)
        put(wheelhouse, old, "key")
        exitcode = ended(put_and_die, root, new, "key", step)
        found = wheelhouse.find(VARIANT, key_of("key"), verify=True)
        assert found is not None
        assert wheelhouse.activate(VARIANT, found.key) == found
        wheelhouse.collect_garbage(VARIANT, [])
        check_tidy(root)
        if exitcode == 0:
            assert found.path.read_bytes() == new.read_bytes()
            return
    pytest.fail("a store has no end")


@pytest.mark.slow
def test_a_kill_before_each_step_of_a_collection(tmp_path: Path) -> None:
    for step in range(1, 200):
        root = tmp_path / f"wheelhouse {step}"
        wheelhouse = Wheelhouse(root)
        stored = [
            put(wheelhouse, tiny_wheel(tmp_path / text, content=text), text) for text in ("a", "b", "c")
        ]
        exitcode = ended(collect_and_die, root, step)
        check_whole(root)
        put(wheelhouse, tiny_wheel(tmp_path, "other"), "other")
        check_tidy(root)
        assert wheelhouse.find(VARIANT, stored[2].key, verify=True) == stored[2]
        if exitcode == 0:
            assert [wheelhouse.find(VARIANT, wheel.key) for wheel in stored[:2]] == [None, None]
            return
        assert exitcode == -signal.SIGKILL
    pytest.fail("a collection has no end")


def test_a_kill_before_each_step_of_the_question_whether_one_may_write(tmp_path: Path) -> None:
    root = tmp_path / "wheelhouse"
    put(Wheelhouse(root), tiny_wheel(tmp_path), "key")
    for step in range(1, 20):
        exitcode = ended(try_and_die, root, step)
        Wheelhouse(root).ensure_writable(VARIANT)
        check_tidy(root)
        if exitcode == 0:
            assert step > 3
            return
    pytest.fail("it has no end")


def test_four_processes_at_once(tmp_path: Path) -> None:
    wheels, root = stock(tmp_path / "built"), tmp_path / "wheelhouse"
    processes = [started(put_all, root, random.sample(wheels, len(wheels))) for _ in range(4)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(check_whole(root)) == 6
    check_tidy(root)
    wheelhouse = Wheelhouse(root)
    for wheel in wheels:
        assert wheelhouse.find(VARIANT, key_of(f"{wheel.parent.name}/{wheel.name}"), verify=True)


def test_a_full_disk_leaves_only_whole_wheels(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=256k") as disk:
        wheelhouse = Wheelhouse(disk / "wheelhouse")
        with pytest.raises(WheelhouseError, match="the disk is full"):
            put_all(wheelhouse.root, [tiny_wheel(tmp_path / str(n), content=noise(n)) for n in range(20)])
        assert check_whole(wheelhouse.root)
        assert not list(wheelhouse.root.rglob(".tmp-*"))
        fill(disk)
        assert wheelhouse.collect_garbage(VARIANT, [])
        put(wheelhouse, tiny_wheel(tmp_path, content="small"), "small")
        check_tidy(wheelhouse.root)


def noise(seed: int) -> str:
    """Text that a wheel cannot make much smaller."""
    return random.Random(seed).randbytes(20_000).hex()  # noqa: S311 - not for secrets


def test_a_disk_that_may_not_be_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=256k") as disk:
        wheelhouse = Wheelhouse(disk / "wheelhouse")
        stored = put(wheelhouse, tiny_wheel(tmp_path), "one")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(WheelhouseError, match="the file system is read-only"):
            put(wheelhouse, tiny_wheel(tmp_path, version="2.0"), "two")
        assert wheelhouse.find(VARIANT, stored.key, verify=True) == stored
        assert wheelhouse.current(VARIANT, stored.name) == (stored,)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "page"
    write_atomically(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(WheelhouseError, match="the disk is full"):
            write_atomically(path, b"x" * (2 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [item.name for item in tmp_path.iterdir()] == ["page"]
    assert path.read_bytes() == b"old"
