"""Rewritten wheels: what stays is the same, RECORD matches, and nothing is half-written."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.utils import parse_wheel_filename

from support.wheels import make_wheel
from wheelfarm.errors import WheelError
from wheelfarm.index.serve import serving
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel, tagged_name, write_tagged, write_version

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"demo/__init__.py": "x = 1\n", "demo/a.py": "a = 1\n" * 99, "demo/tests/test_a.py": "import demo\n"}
INFO = "demo-1.0.dist-info"
UNIX_TIME = struct.pack("<HHBl", 0x5455, 5, 1, 1600000000)
"""An extra field that is not ZIP64's (APPNOTE.TXT 4.6.1)."""
TAG = "12_762d9660f05c"
TAGGED = {"demo/__init__.py": "x = 1\n", f"{INFO}/sboms/wheelfarm.cdx.json": "{}"}


def edit(path: Path, changes: Changes, name: str = "demo-1.0-py3-none-any.whl") -> tuple[Path, list[str]]:
    """A rewritten wheel in a directory of its own, proved sound; and its members."""
    place = path.parent / "rewritten" / name
    place.parent.mkdir(exist_ok=True)
    wheel = rewrite_wheel(open_wheel(path), place, changes)
    verify(wheel)
    with zipfile.ZipFile(place) as archive:
        assert archive.testzip() is None
        return place, archive.namelist()


def read(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def with_directories(path: Path) -> Path:
    """A wheel as auditwheel and delocate write it: directories are members, .dist-info stands anywhere."""
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    members.sort(key=lambda item: item[0].filename)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("demo/", "demo/tests/", f"{INFO}/"):
            archive.writestr(zipfile.ZipInfo(name), b"")
        for info, data in members:
            archive.writestr(info, data)
    return path


def with_zip64(path: Path, place: str) -> Path:
    """A wheel with ZIP64 sizes, as `force_zip64` writes them, and as other programs write large archives.

    They stand beside each member, behind its bytes (streamed), or in the central directory.
    """
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    stream = OneWay() if place == "behind" else io.BytesIO()
    with pytest.MonkeyPatch.context() as patch, zipfile.ZipFile(stream, "w") as archive:
        if place == "directory":
            patch.setattr(zipfile, "ZIP64_LIMIT", 0)
        for info, data in members:
            new = zipfile.ZipInfo(info.filename, info.date_time)
            new.extra, new.compress_type = UNIX_TIME, info.compress_type
            with archive.open(new, "w", force_zip64=True) as member:
                member.write(data)
    path.write_bytes(stream.getvalue())
    return path


class OneWay(io.BytesIO):
    """A stream that cannot go back, so that zipfile writes the sizes behind the bytes."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation


def streamed(path: Path) -> Path:
    """A wheel as it comes from what cannot go back: the sizes stand behind the bytes."""
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    stream = OneWay()
    with zipfile.ZipFile(stream, "w") as archive:
        for info, data in members:
            archive.writestr(info, data)
    path.write_bytes(stream.getvalue())
    with zipfile.ZipFile(path) as archive:
        assert all(info.flag_bits & 8 for info in archive.infolist())
    return path


def test_members_are_dropped_replaced_renamed_and_added(tmp_path: Path) -> None:
    changes = Changes(
        dropped=frozenset({"demo/tests/test_a.py"}),
        renamed={"demo/a.py": "demo/b.py"},
        written={"demo/__init__.py": b"x = 2\n", f"{INFO}/sboms/x.json": b"{}", "demo/c.py": b""},
    )
    path, names = edit(make_wheel(tmp_path, files=FILES), changes)
    assert names == [
        *("demo/__init__.py", "demo/b.py", "demo/c.py"),
        *(f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "sboms/x.json", "RECORD")),
    ]
    assert read(path, "demo/b.py") == FILES["demo/a.py"].encode()
    assert read(path, "demo/__init__.py") == b"x = 2\n"


def test_what_stays_keeps_its_packed_bytes_date_and_mode(tmp_path: Path) -> None:
    old = make_wheel(tmp_path, files={**FILES, "demo-1.0.data/scripts/run": "#!python\n"})
    new, _ = edit(old, Changes(dropped=frozenset({"demo/a.py"})))
    with zipfile.ZipFile(old) as before, zipfile.ZipFile(new) as after:
        for info in after.infolist()[:-1]:
            was = before.getinfo(info.filename)
            same = ("date_time", "external_attr", "create_system", "compress_type", "compress_size", "CRC")
            assert [getattr(info, name) for name in same] == [getattr(was, name) for name in same]
        model = before.getinfo(f"{INFO}/METADATA")
        record = after.getinfo(f"{INFO}/RECORD")
        assert (record.date_time, record.external_attr) == (model.date_time, model.external_attr)
    assert read(new, f"{INFO}/RECORD").endswith(f"{INFO}/RECORD,,\n".encode())


def test_the_dist_info_directory_follows_a_new_name(tmp_path: Path) -> None:
    old = with_directories(make_wheel(tmp_path, files=FILES))
    metadata = read(old, f"{INFO}/METADATA").replace(b"Name: demo", b"Name: demo-tests")
    changes = Changes(
        dropped=frozenset({"demo/__init__.py", "demo/a.py"}),
        dist_info="demo_tests-1.0.dist-info",
        written={"demo_tests-1.0.dist-info/METADATA": metadata},
    )
    path, names = edit(old, changes, "demo_tests-1.0-py3-none-any.whl")
    assert names[:3] == ["demo/", "demo/tests/", "demo/tests/test_a.py"]
    assert names[3:] == [f"demo_tests-1.0.dist-info/{name}" for name in ("", "WHEEL", "METADATA", "RECORD")]
    assert open_wheel(path).name == "demo-tests"


def test_directories_go_with_the_last_file_in_them(tmp_path: Path) -> None:
    old = with_directories(make_wheel(tmp_path, files=FILES))
    _, names = edit(old, Changes(dropped=frozenset({"demo/tests/test_a.py"})))
    assert [name for name in names if name.endswith("/")] == ["demo/", f"{INFO}/"]
    assert names[-1] == f"{INFO}/RECORD"
    assert names.index(f"{INFO}/") == len(names) - 4


def test_a_wheel_that_was_streamed(tmp_path: Path) -> None:
    old = streamed(make_wheel(tmp_path, files=FILES))
    new, _ = edit(old, Changes(renamed={"demo/a.py": "demo/b.py"}))
    assert read(new, "demo/b.py") == FILES["demo/a.py"].encode()
    with zipfile.ZipFile(new) as archive:
        assert not archive.getinfo("demo/b.py").flag_bits & 8
        assert archive.getinfo("demo/__init__.py").flag_bits & 8


def test_signatures_go(tmp_path: Path) -> None:
    old = make_wheel(tmp_path)
    with zipfile.ZipFile(old, "a") as archive:
        archive.writestr(f"{INFO}/RECORD.jws", b"{}")
    _, names = edit(old, Changes())
    assert f"{INFO}/RECORD.jws" not in names


def test_it_may_take_the_place_of_the_wheel_and_is_the_same_each_time(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, files=FILES)
    changes = Changes(written={f"{INFO}/sboms/x.json": b"{}", f"{INFO}/licenses/x": b"MIT"})
    rewrite_wheel(open_wheel(path), path, changes)
    once = path.read_bytes()
    rewrite_wheel(open_wheel(path), path, changes)
    assert path.read_bytes() == once
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (Changes(dropped=frozenset({"demo/none.py"})), "no such member"),
        (Changes(renamed={"demo/none.py": "demo/b.py"}), "no such member"),
        (Changes(renamed={"demo/a.py": "demo/__init__.py"}), "two members"),
        (Changes(renamed={"demo/a.py": "../a.py"}), "unsafe"),
        (Changes(dropped=frozenset({f"{INFO}/WHEEL"})), "WHEEL is missing"),
        (Changes(written={f"{INFO}/METADATA": b"Name: other\n"}), "not valid core metadata"),
    ],
)
def test_refused(tmp_path: Path, changes: Changes, match: str) -> None:
    path = make_wheel(tmp_path, files=FILES)
    before = path.read_bytes()
    with pytest.raises(WheelError, match=match):
        rewrite_wheel(open_wheel(path), path, changes)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_pip_installs_it(tmp_path: Path) -> None:
    changes = Changes(written={f"{INFO}/sboms/x.json": b"{}"}, dropped=frozenset({"demo/a.py"}))
    path, _ = edit(make_wheel(tmp_path, files=FILES), changes)
    words = [
        "install",
        "--no-index",
        "--no-deps",
        "--no-compile",
        "--target",
        str(tmp_path / "site"),
        str(path),
    ]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    assert (tmp_path / "site" / INFO / "sboms" / "x.json").read_bytes() == b"{}"
    assert not (tmp_path / "site" / "demo" / "a.py").exists()


def uv_installs(wheel: str, site: Path) -> None:
    words = ["uv", "pip", "install", "--no-cache", "--no-config", "--no-index", "--target", str(site), wheel]
    subprocess.run([*words, "--python", sys.executable], check=True, capture_output=True)
    assert (site / INFO / "sboms" / "x.json").read_bytes() == b"{}"
    assert not (site / "demo" / "a.py").exists()


ZIP64_PLACES = ["beside", "behind", "directory"]


def rewritten_zip64(root: Path, place: str) -> Path:
    wheel = with_zip64(make_wheel(root, files=FILES), place)
    changes = Changes(written={f"{INFO}/sboms/x.json": b"{}"}, dropped=frozenset({"demo/a.py"}))
    return edit(wheel, changes)[0]


@pytest.mark.parametrize("place", ZIP64_PLACES)
def test_zip64_sizes_do_not_stay_where_they_are_not_needed(tmp_path: Path, place: str) -> None:
    path = rewritten_zip64(tmp_path, place)
    with zipfile.ZipFile(path) as archive:
        assert {info.extra for info in archive.infolist()} == {UNIX_TIME, b""}
    verify(open_wheel(path))
    uv_installs(str(path), tmp_path / "site")


@pytest.mark.slow
@pytest.mark.parametrize("place", ZIP64_PLACES)
def test_uv_installs_rewritten_zip64_from_an_index(tmp_path: Path, place: str) -> None:
    path = rewritten_zip64(tmp_path, place)
    with serving(path.parent, host="127.0.0.1", port=0) as url:
        uv_installs(f"demo @ {url}/{path.name}", tmp_path / "site")


@pytest.mark.parametrize("before", ["", "3"])
def test_the_tag_is_in_the_name_and_in_wheel(tmp_path: Path, before: str) -> None:
    old = open_wheel(make_wheel(tmp_path, files=TAGGED, build=before))
    new = write_tagged(old, tmp_path, TAG)
    assert new.path.name == f"demo-1.0-{TAG}-py3-none-any.whl"
    assert new.build == TAG
    verify(new)
    lines = read(new.path, "demo-1.0.dist-info/WHEEL").decode().splitlines()
    assert lines.count(f"Build: {TAG}") == 1
    assert sum(line.startswith("Build:") for line in lines) == 1
    assert lines.index(f"Build: {TAG}") < lines.index("Tag: py3-none-any")
    same = {member.name: member.sha256 for member in old.members} | {
        member.name: member.sha256 for member in new.members if member.name.endswith("/WHEEL")
    }
    assert {member.name: member.sha256 for member in new.members} == same


@pytest.mark.parametrize("name", ["demo-1.0-py3-none-any.whl", "demo-1.0-7x-py3-none-any.whl"])
def test_a_name_has_one_tag(name: str) -> None:
    tagged = tagged_name(name, TAG)
    assert parse_wheel_filename(tagged)[2] == (12, "_762d9660f05c")
    assert tagged_name(tagged, TAG) == tagged
    assert tagged_name(tagged, "") == "demo-1.0-py3-none-any.whl"


@pytest.mark.parametrize("end", ["\n", "\n\n", "\r\n"])
def test_a_tag_can_be_removed_without_a_trace(tmp_path: Path, end: str) -> None:
    made = open_wheel(make_wheel(tmp_path, files=TAGGED))
    text = read(made.path, "demo-1.0.dist-info/WHEEL").decode().replace("\n", "\r\n" if "\r" in end else "\n")
    written = {"demo-1.0.dist-info/WHEEL": (text.rstrip() + end).encode()}
    (tmp_path / "out").mkdir()
    stored = rewrite_wheel(made, tmp_path / "out" / made.path.name, Changes(written=written))
    before = stored.path.read_bytes()
    tagged = write_tagged(stored, tmp_path, TAG)
    once = tagged.path.read_bytes()
    assert write_tagged(stored, tmp_path, TAG).path.read_bytes() == once
    assert write_tagged(tagged, tmp_path / "out", "").path.read_bytes() == before


letters = st.characters(codec="utf-8", exclude_characters="/\\:\0\r\n", exclude_categories=["Cs", "Cc"])
words = st.text(letters, min_size=1, max_size=6).filter(lambda word: word.strip(". ") == word)
inside = st.sampled_from([f"{INFO}/sboms/x.json"])
paths = st.lists(words, min_size=1, max_size=3).map(lambda parts: "demo/" + "/".join(parts) + ".py")
contents = st.binary(max_size=60) | st.integers(0, 3000).map(lambda count: b"line\n" * count)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), files=st.dictionaries(paths, contents, max_size=6))
def test_rewritten_wheel_is_the_wheel_with_its_changes(
    tmp_path: Path, data: st.DataObject, files: dict[str, bytes]
) -> None:
    members = sorted(files)
    dropped = data.draw(st.sets(st.sampled_from(members)) if members else st.just(set()))
    moved = data.draw(st.sets(st.sampled_from(members)) if members else st.just(set())) - dropped
    renamed = {name: f'moved, "now"/{name}' for name in moved}
    written = data.draw(st.dictionaries(paths | inside, contents, max_size=3))
    expected = {renamed.get(name, name): files[name] for name in members if name not in dropped} | written

    wheel = open_wheel(make_wheel(tmp_path, files=files))
    path = tmp_path / "rewritten" / wheel.path.name
    path.parent.mkdir(exist_ok=True)
    changes = Changes(dropped=frozenset(dropped), renamed=renamed, written=written)
    rewritten = rewrite_wheel(wheel, path, changes)

    verify(rewritten)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    rest = {f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD")}
    assert {name: found[name] for name in found if name not in rest} == expected
    assert list(found)[-1] == f"{INFO}/RECORD"


@pytest.mark.parametrize("version", ["1.1.dev20200913122640", "1.0"])
def test_another_version_is_in_names_and_metadata(tmp_path: Path, version: str) -> None:
    files = {"sample_one.py": "__version__ = '1.0'\n", "sample_one-1.0.data/scripts/run": "#!python\n"}
    made = make_wheel(tmp_path, "sample-one", "1.0", files, requires=["other"])
    directory = tmp_path / "again"
    directory.mkdir()
    wheel = write_version(open_wheel(made), directory, version)
    assert wheel.path.name == made.name.replace("-1.0-", f"-{version}-")
    assert wheel.path.parent == directory
    assert (wheel.dist_info, wheel.metadata.version) == (f"sample_one-{version}.dist-info", version)
    assert wheel.metadata.requires_dist == open_wheel(made).metadata.requires_dist
    assert {f"sample_one-{version}.data/scripts/run", "sample_one.py"} <= wheel.names
    assert not any("-1.0." in name for name in wheel.names) or version == "1.0"
    verify(wheel)
