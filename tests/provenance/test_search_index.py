"""The search index follows the wheelhouse, survives kills, and is made anew when it is damaged."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from support.searched import FIX, SSL, bill, put
from wheelfarm.errors import Collector, WheelError, WheelhouseError
from wheelfarm.model import Name
from wheelfarm.provenance.conditions import Condition
from wheelfarm.provenance.facts import FactKind
from wheelfarm.provenance.sbom_reader import MEMBER
from wheelfarm.provenance.search_index import open_search_index
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

TESTS: Final = Path(__file__).parents[1]
SEARCH: Final = """\
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from wheelfarm.errors import Collector
from wheelfarm.provenance import search_index
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse
search_index._COMMIT = 0.0
with search_index.open_search_index(Path(sys.argv[1])) as index:
    # The parent has time to kill this process.
    say = lambda line: print(line, flush=True) or time.sleep(0.05)
    index.update(Wheelhouse(Path(sys.argv[2])), problems=Collector(), progress=say)
"""


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    return Wheelhouse(tmp_path / "wheelhouse")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "work" / "search.sqlite"


def _search(
    file: Path, wheelhouse: Wheelhouse, *conditions: tuple[FactKind, str], read: list[str] | None = None
) -> list[str]:
    """The wheels that meet some conditions; `read` gets a line for each record that was read."""
    lines: list[str] = []
    problems = Collector()
    with open_search_index(file) as index:
        index.update(wheelhouse, problems=problems, progress=lines.append)
        parsed = [Condition.parse(*each) for each in conditions]
        found = index.search(parsed, wheelhouse.variants())
    if read is not None:
        # The last line is empty: it removes the others from a terminal.
        read += filter(None, lines)
    problems.check()
    return [f"{each.wheel.name} {each.wheel.version} {each.wheel.variant}" for each in found]


def test_several_conditions_narrow_the_answer(wheelhouse: Wheelhouse, file: Path) -> None:
    put(wheelhouse, "alpha", purls=[SSL], built_with={"cython": "3.0.12"})
    put(wheelhouse, "beta", purls=[SSL], built_with={"cython": "3.1.0"}, variant="slim")
    put(wheelhouse, "gamma", built_with={"cython": "3.0.12"}, patches={"0001-fix.patch": FIX})
    contains, built = (FactKind.CONTAINS, "openssl<3.2"), (FactKind.BUILT_WITH, "cython==3.0.*")
    assert _search(file, wheelhouse, contains) == ["alpha 1.0 plain", "beta 1.0 slim"]
    assert _search(file, wheelhouse, contains, built) == ["alpha 1.0 plain"]
    assert _search(file, wheelhouse, built) == ["alpha 1.0 plain", "gamma 1.0 plain"]
    assert _search(file, wheelhouse, (FactKind.PATCH, "CVE-2026-1111")) == ["gamma 1.0 plain"]
    assert _search(file, wheelhouse, (FactKind.PATCH, "CVE-2026-9999")) == []


def test_only_new_and_changed_records_are_read(wheelhouse: Wheelhouse, file: Path) -> None:
    put(wheelhouse, "alpha")
    stored = put(wheelhouse, "beta", built_with={"cython": "3.0.12"})
    every = (FactKind.CONTAINS, "*")
    assert len(_search(file, wheelhouse, every)) == 2
    read: list[str] = []
    _search(file, wheelhouse, every, read=read)
    assert read == []
    # As a new gate does: the same wheel, and another record of the same size.
    record = wheelhouse.record(stored.variant, stored.key)
    path = wheelhouse.root / stored.variant / "records" / f"{stored.key}.json"
    new = path.with_suffix(".new")
    new.write_text(record.replace("3.0.12", "3.1.99"))
    shutil.copystat(path, new)
    new.replace(path)
    assert _search(file, wheelhouse, (FactKind.BUILT_WITH, "cython==3.1.*"), read=read) == ["beta 1.0 plain"]
    assert len(read) == 1
    assert _search(file, wheelhouse, (FactKind.BUILT_WITH, "cython==3.0.*")) == []


def test_a_wheel_that_garbage_collection_removed_is_forgotten(wheelhouse: Wheelhouse, file: Path) -> None:
    put(wheelhouse, "alpha", needs=["libz.1.dylib"])
    put(wheelhouse, "alpha", needs=["libgomp.1.dylib"])
    links = (FactKind.LINKS, "lib*")
    assert _search(file, wheelhouse, links) == ["alpha 1.0 plain"] * 2
    wheelhouse.collect_garbage("plain", [])
    assert _search(file, wheelhouse, links) == ["alpha 1.0 plain"]
    assert _search(file, wheelhouse, (FactKind.LINKS, "libz")) == []


def test_an_unreadable_wheel_is_an_error_each_time_and_the_others_are_found(
    wheelhouse: Wheelhouse, file: Path
) -> None:
    put(wheelhouse, "alpha")
    stored = put(wheelhouse, "beta")
    content = stored.path.read_bytes()
    stored.path.write_bytes(bytes(len(content)))
    for _ in range(2):
        with pytest.raises(WheelhouseError, match="damaged") as caught:
            _search(file, wheelhouse, (FactKind.CONTAINS, "alpha"))
        assert stored.path.name in str(caught.value)
    stored.path.write_bytes(content)
    assert _search(file, wheelhouse, (FactKind.CONTAINS, "*")) == ["alpha 1.0 plain", "beta 1.0 plain"]


def test_the_error_of_a_damaged_binary_names_the_wheel(wheelhouse: Wheelhouse, file: Path) -> None:
    stored = put(wheelhouse, "alpha", members={"alpha/ext.so": b"\x7fELF"})
    with pytest.raises(WheelError) as caught:
        _search(file, wheelhouse, (FactKind.CONTAINS, "*"))
    assert str(stored.path) in str(caught.value.where)


def test_a_file_that_is_no_index_or_an_older_one_is_made_anew(wheelhouse: Wheelhouse, file: Path) -> None:
    put(wheelhouse, "alpha")
    every = (FactKind.CONTAINS, "*")
    file.parent.mkdir()
    file.write_bytes(b"no database at all" * 100)
    assert _search(file, wheelhouse, every) == ["alpha 1.0 plain"]
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    read: list[str] = []
    assert _search(file, wheelhouse, every, read=read) == ["alpha 1.0 plain"]
    assert len(read) == 1


def test_a_file_that_cannot_be_written_is_an_error(wheelhouse: Wheelhouse, file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(WheelhouseError, match="the search index") as caught:
        _search(file, wheelhouse, (FactKind.CONTAINS, "*"))
    assert caught.value.where == str(file)


def test_lone_surrogates_are_no_obstacle(wheelhouse: Wheelhouse, file: Path) -> None:
    text = FIX.replace("crafted", "cr\udcffted")
    document = bill("alpha", "1.0", ["pkg:deb/debian/x@1"], {})
    document["components"][0]["name"] = "x\udcff"
    inside = {f"alpha-1.0.dist-info/{MEMBER}": json.dumps(document).encode()}
    put(wheelhouse, "alpha", patches={"0001-fix.patch": text}, members=inside)
    assert _search(file, wheelhouse, (FactKind.PATCH, "CVE-2026-1111")) == ["alpha 1.0 plain"]


def _words(file: Path, wheelhouse: Wheelhouse) -> list[str]:
    """The command of a search in a process of its own."""
    directories = map(str, (file, wheelhouse.root, TESTS, TESTS.parent / "src"))
    return [sys.executable, "-c", SEARCH, *directories]


def test_a_kill_loses_nothing_that_was_read_and_leaves_a_whole_index(
    wheelhouse: Wheelhouse, file: Path
) -> None:
    for number in range(14):
        put(wheelhouse, f"p{number:02}")
    words = _words(file, wheelhouse)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("reading 8 "):
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    read: list[str] = []
    assert len(_search(file, wheelhouse, (FactKind.CONTAINS, "p*"), read=read)) == 14
    assert len(read) == 7  # without those that the killed search had read


def test_a_wheel_is_added_as_a_whole_or_not_at_all(wheelhouse: Wheelhouse, file: Path) -> None:
    put(wheelhouse, "alpha", purls=[SSL])

    def deny_components(action: int, table: str | None, *_: object) -> int:
        return sqlite3.SQLITE_DENY if (action, table) == (sqlite3.SQLITE_INSERT, "component") else 0

    with open_search_index(file) as index:
        index._connection.set_authorizer(deny_components)
        with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
            index.update(wheelhouse, problems=Collector(), progress=lambda _: None)
    read: list[str] = []
    assert _search(file, wheelhouse, (FactKind.CONTAINS, "openssl"), read=read) == ["alpha 1.0 plain"]
    assert len(read) == 1
    with open_search_index(file) as index:
        ((_, components),) = index.components(index.wheels(["plain"]))
    assert [each.name for each in components] == ["alpha", "libssl3"]


def test_two_searches_at_once_find_the_same(wheelhouse: Wheelhouse, file: Path) -> None:
    for number in range(12):
        put(wheelhouse, f"p{number:02}")
    words = _words(file, wheelhouse)
    both = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    read: list[str] = []
    assert len(_search(file, wheelhouse, (FactKind.CONTAINS, "p*"), read=read)) == 12
    assert read == []


@pytest.mark.parametrize("count", [0, 3])
def test_wheels_are_counted(wheelhouse: Wheelhouse, file: Path, count: int) -> None:
    for number in range(count):
        put(wheelhouse, f"p{number}")
    with open_search_index(file) as index:
        index.update(wheelhouse, problems=Collector(), progress=lambda _: None)
        assert index.count(["plain"]) == count
        assert index.count([]) == 0
        assert {each.name for each in index.wheels(["plain"])} == {Name(f"p{each}") for each in range(count)}
