"""Publishing to static files, with attestations: a directory, and an object store behind fsspec."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec  # type: ignore[import-untyped]
import pytest

from support.publishing import TARGETS, VARIANT, failures_at_once, publication, publishing_farm, stock, store
from support.raised import only, raised
from support.store import check_whole
from wheelfarm.errors import ConflictError, PublishError
from wheelfarm.index.build_tags import Tagger
from wheelfarm.index.comparison import State
from wheelfarm.index.static import StaticIndex
from wheelfarm.index.storage import LOCK, Bucket, Directory, open_storage
from wheelfarm.model import Name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wheelfarm.index.comparison import Comparison
    from wheelfarm.run.farm import Farm

ROOT = Path(__file__).parents[2]


def farm_at(root: Path, url: str) -> Farm:
    farm = publishing_farm(root, {"kind": "static", "url": url})
    stock(farm.wheelhouse)
    return farm


def publish(farm: Farm) -> Comparison:
    return publication(farm).publish()


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an index goes: a directory, or memory in the place of an object store."""
    if request.param == "directory":
        yield (tmp_path / "public").as_uri()
        return
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    yield "memory://bucket/public"
    memory.store.clear()


def page(place: str, tmp_path: Path, project: str) -> Any:
    storage = open_storage(f"{place}/{VARIANT}", tmp_path)
    return json.loads(storage.read(f"simple/{project}/index.json") or b"null")


def test_published_and_the_same_after_that(tmp_path: Path, place: str) -> None:
    farm = farm_at(tmp_path / "farm", place)
    assert len(publish(farm).to_upload) == 4
    assert [file["filename"].split("-")[3] for file in page(place, tmp_path, "beta")["files"]] == [
        "cp311",
        "cp312",
    ]
    assert [each.state for each in publish(farm).differences] == [State.SAME] * 4


def test_a_directory_is_a_whole_index(tmp_path: Path) -> None:
    publish(farm_at(tmp_path / "farm", "../public"))
    assert len(check_whole(tmp_path / "public", VARIANT)) == 4
    first = json.loads((tmp_path / "public" / VARIANT / "simple/index.json").read_text())
    assert [each["name"] for each in first["projects"]] == ["alpha", "beta"]


def test_a_local_version(tmp_path: Path, place: str) -> None:
    farm = farm_at(tmp_path / "farm", place)
    publish(farm)
    for target in TARGETS:
        store(farm.wheelhouse, "alpha", "1.0+team.1", target)
    sent = {each.filename for each in publish(farm).to_upload}
    urls = {file["filename"]: file["url"] for file in page(place, tmp_path, "alpha")["files"]}
    assert {name for name in urls if "+team.1" in name} == sent
    assert all(urls[name].endswith(name.replace("+", "%2B")) for name in sent)
    states = [each.state for each in publish(farm).differences]
    assert states == [*[State.SAME] * 4, *[State.FOREIGN] * 2]
    if place.startswith("file"):
        assert sent < check_whole(tmp_path / "public", VARIANT)


def test_other_bytes_are_refused(tmp_path: Path, place: str) -> None:
    publish(farm_at(tmp_path / "one", place))
    before = page(place, tmp_path, "alpha")
    farm = publishing_farm(tmp_path / "two", {"kind": "static", "url": place})
    stock(farm.wheelhouse, content="other", inputs_of="")
    assert len(raised(lambda: publish(farm), ConflictError)) == 4
    assert page(place, tmp_path, "alpha") == before


def test_a_conflict_with_a_publisher_at_the_same_time(tmp_path: Path, place: str) -> None:
    one = farm_at(tmp_path / "one", place)
    two = publishing_farm(tmp_path / "two", {"kind": "static", "url": place})
    stock(two.wheelhouse, content="other", inputs_of="")
    tagger = Tagger(two.wheelhouse, tmp_path, tmp_path / "published.json")
    left = publication(two).compare().to_upload
    wheels = [tagger.tag(each.candidate, each.tag) for each in left if each.candidate]
    publish(one)
    error = only(lambda: publication(two).index.upload(wheels), ConflictError)
    assert error.why == "another publisher was faster"


def test_a_lost_file_is_written_again(tmp_path: Path) -> None:
    farm = farm_at(tmp_path / "farm", "../public")
    publish(farm)
    lost = next((tmp_path / "public").rglob("beta*cp312*.whl"))
    lost.unlink()
    assert [each.filename for each in publish(farm).to_upload] == [lost.name]
    assert lost.is_file()


def test_core_metadata_beside_a_wheel_are_mended(tmp_path: Path, place: str) -> None:
    farm, storage = farm_at(tmp_path / "farm", place), open_storage(f"{place}/{VARIANT}", tmp_path)
    publish(farm)
    beta, alpha = (page(place, tmp_path, name)["files"][0]["url"] for name in ("beta", "alpha"))
    paths = [f"{url.removeprefix('../../')}.metadata" for url in (beta, alpha)]
    before = [storage.read(path) for path in paths]
    storage.write(paths[0], b"Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    storage.remove(paths[1])
    assert len(publication(farm).compare().of(State.DAMAGED)) == 2
    assert publish(farm).to_upload == ()
    assert [storage.read(path) for path in paths] == before
    assert None not in before


def test_a_page_of_somebody_else(tmp_path: Path) -> None:
    other = tmp_path / "public" / VARIANT / "simple/alpha/index.json"
    other.parent.mkdir(parents=True)
    other.write_text('{"files": [{}]}')
    farm = farm_at(tmp_path / "farm", "../public")
    error = only(lambda: publish(farm), PublishError)
    assert error.what == "the page of alpha is not one that a farm has written"


@pytest.mark.parametrize("text", ["not JSON", '{"projects": 3}', '{"projects": [{}]}'])
def test_a_first_page_of_somebody_else(tmp_path: Path, text: str) -> None:
    other = tmp_path / "public" / VARIANT / "simple/index.json"
    other.parent.mkdir(parents=True)
    other.write_text(text)
    error = only(lambda: publish(farm_at(tmp_path / "farm", "../public")), PublishError)
    assert error.what == "the first page of the index is not one that a farm has written"
    assert other.read_text() == text


def test_yanked_offered_again_and_removed(tmp_path: Path, place: str) -> None:
    farm = farm_at(tmp_path / "farm", place)
    publish(farm)
    index = publication(farm).index
    names = [file["filename"] for file in page(place, tmp_path, "alpha")["files"]]
    index.yank(Name("alpha"), names[:1], "broken")
    assert [file.get("yanked") for file in page(place, tmp_path, "alpha")["files"]] == ["broken", None]
    index.yank(Name("alpha"), names, None)
    assert [file.get("yanked") for file in page(place, tmp_path, "alpha")["files"]] == [None, None]
    index.remove(Name("alpha"), names[:1])
    assert [file["filename"] for file in page(place, tmp_path, "alpha")["files"]] == names[1:]
    assert [each.filename for each in publication(farm).compare().to_upload] == names[:1]


def test_two_publishers_of_different_packages_at_once(tmp_path: Path, place: str) -> None:
    farms = []
    for name in ("gamma", "delta"):
        farm = publishing_farm(tmp_path / name, {"kind": "static", "url": place})
        for version in ("1.0", "2.0"):
            for target in TARGETS:
                store(farm.wheelhouse, name, version, target)
                store(farm.wheelhouse, "shared", version, target, content="same")
        farms.append(farm)
    failures = failures_at_once(publish, farms)
    assert failures == []
    for farm in farms:
        assert {each.state for each in publication(farm).compare().differences} == {State.SAME}


def _publish_and_die(root: Path, public: Path, step: int) -> None:
    """Publish, and be killed right before the given step that touches the index."""
    left = step

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if event in {"open", "os.rename", "os.mkdir"} and str(args[0]).startswith(str(public)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    farm = publishing_farm(root, {"kind": "static", "url": public.as_uri()})
    sys.addaudithook(hook)
    publish(farm)


@pytest.mark.slow
def test_a_kill_at_any_step_leaves_a_whole_index(tmp_path: Path) -> None:
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "unused"})
    store(farm.wheelhouse, "alpha", tag="py3-none-any")
    store(farm.wheelhouse, "beta", tag="py3-none-any", requires=["alpha"])
    context = multiprocessing.get_context("fork")
    step, alive = 0, False
    while not alive:
        step += 7
        public = tmp_path / f"public{step}"
        process = context.Process(target=_publish_and_die, args=(tmp_path / "farm", public, step))
        process.start()
        process.join(60)
        alive = process.exitcode == 0
        seen = check_whole(public, VARIANT) if (public / VARIANT).exists() else set()
        # Whoever sees beta can install it.
        assert not any("beta" in name for name in seen) or any("alpha" in name for name in seen)
        publish(publishing_farm(tmp_path / "farm", {"kind": "static", "url": public.as_uri()}))
        assert len(check_whole(public, VARIANT)) == 2
    assert step > 20


class TestLocks:
    def test_a_publisher_that_died_is_taken_over(self, log: pytest.LogCaptureFixture) -> None:
        files = fsspec.filesystem("memory")
        files.store.clear()
        bucket = Bucket(files, "/bucket/public", lease=0.2)
        bucket.write(LOCK, b'{"publisher": "gone", "renewed": 0}')
        with bucket.locked() as renew:
            renew()
        assert bucket.read(LOCK) is None
        assert "taking over" in log.messages[-1]

    def test_one_that_was_taken_over_writes_nothing_more(self) -> None:
        files = fsspec.filesystem("memory")
        files.store.clear()
        bucket = Bucket(files, "/bucket/public")
        with bucket.locked() as renew:
            bucket.write(LOCK, b'{"publisher": "other", "renewed": 0}')
            error = only(renew, PublishError)
        assert error.what == "another publisher has taken over the index"
        assert bucket.read(LOCK) is not None

    def test_one_that_lives_is_waited_for(self, tmp_path: Path) -> None:
        files = fsspec.filesystem("memory")
        files.store.clear()
        bucket = Bucket(files, "/bucket/public", timeout=0.3)
        with bucket.locked(), pytest.raises(PublishError, match="keeps the index locked"), bucket.locked():
            pass
        directory = Directory(tmp_path / "public", timeout=0.1)
        other = Directory(tmp_path / "public", timeout=0.1)
        with directory.locked(), pytest.raises(PublishError, match="keeps the index locked"), other.locked():
            pass


@pytest.mark.parametrize(
    ("url", "what"),
    [("nosuch://bucket/x", "fsspec does not know this url"), ("s3://bucket/x", "needs a library")],
)
def test_urls_that_cannot_be_used(tmp_path: Path, url: str, what: str) -> None:
    error = only(lambda: open_storage(url, tmp_path), PublishError)
    assert what in error.what
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"wheelfarm\[(\w+)\]", str(error.hint))) <= known.keys()


def test_a_store_that_fails() -> None:
    class Broken:
        def invalidate_cache(self) -> None: ...

        def cat_file(self, path: str) -> bytes:
            raise PermissionError(f"denied: {path}")

    bucket = Bucket(Broken(), "bucket/public")
    error = only(lambda: bucket.read("simple/index.json"), PublishError)
    assert error.why == "PermissionError: denied: bucket/public/simple/index.json"


@dataclass(frozen=True)
class Interrupted(Directory):
    """A directory whose publisher is slow at the first statement that it writes."""

    meanwhile: Callable[[], None] = lambda: None

    def write(self, path: str, data: bytes) -> None:
        if path.endswith(".provenance.json"):
            self.meanwhile()
        super().write(path, data)


def test_two_publishers_of_the_same_wheels_with_other_records(tmp_path: Path) -> None:
    first, second = (farm_at(tmp_path / name, "../public") for name in ("first", "second"))
    for record in second.wheelhouse.root.glob("*/records/*.json"):
        record.write_text(record.read_text("utf-8").replace("-O2", "-O3"), encoding="utf-8")
    other, begun = threading.Thread(target=lambda: publication(second).publish(None)), threading.Lock()

    def meanwhile() -> None:
        if begun.acquire(blocking=False):  # several statements are written at the same time
            other.start()
            other.join(0.5)  # it comes this far, or waits for its turn

    index = publication(first).index
    assert isinstance(index, StaticIndex)
    storage = Interrupted(tmp_path / "public" / VARIANT, meanwhile=meanwhile)
    slow = publication(first)
    slow.__dict__["index"] = replace(index, storage=storage)
    slow.publish()
    other.join()
    assert {verdict.error for verdict in publication(first).verify(None)} == {None}


def test_an_attestation_is_removed_with_its_wheel(tmp_path: Path) -> None:
    table = {"kind": "static", "url": "../public"}
    farm, other = (publishing_farm(tmp_path / name, table) for name in "ab")
    for target in TARGETS:
        store(farm.wheelhouse, "alpha", target=target)
        store(other.wheelhouse, "alpha", target=target, content="again", inputs_of="")
    publication(farm).publish()
    index = publication(farm).index
    before = index.attestations(Name("alpha"), "1.0").keys()
    names = [each.filename for each in publication(other).publish(next_build=True).to_upload]
    assert len(index.attestations(Name("alpha"), "1.0")) == 4
    index.remove(Name("alpha"), names)
    assert index.attestations(Name("alpha"), "1.0").keys() == before
    beside = [path.name for path in (tmp_path / "public" / VARIANT / "wheels").rglob("*.record.json")]
    assert len(beside) == 2


def test_attestations_are_read_of_the_wanted_release_alone(tmp_path: Path) -> None:
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "../public"})
    for version in ("1.0", "2.0"):
        store(farm.wheelhouse, "alpha", version, tag="py3-none-any")
        publication(farm).publish()
    read: list[str] = []

    class Logged(Directory):
        def read(self, path: str) -> bytes | None:
            read.append(path)
            return super().read(path)

    index = publication(farm).index
    assert isinstance(index, StaticIndex)
    logged = replace(index, storage=Logged(tmp_path / "public" / VARIANT))
    assert len(logged.attestations(Name("alpha"), "1.0")) == 1
    assert not [path for path in read if "alpha-2.0" in path]


@pytest.mark.parametrize("sign", [True, False])
def test_an_index_that_nobody_outside_should_hear_of(
    tmp_path: Path,
    log: pytest.LogCaptureFixture,
    sign: bool,  # noqa: FBT001
) -> None:
    """Signing is written down in a public log, so it is not even tried there."""
    table = {"kind": "static", "url": "../public", "sign": sign}
    farm = publishing_farm(tmp_path / "farm", table, environ={"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"})
    stock(farm.wheelhouse)
    publication(farm).publish(None)
    assert any("statements stay unsigned" in line for line in log.messages) is sign


def test_a_url_that_names_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file")
    for url in ("index", (tmp_path / "index").as_uri()):
        error = only(lambda: open_storage(url, tmp_path), PublishError)  # noqa: B023 - called at once
        assert (error.what, error.where) == ("the static index is no directory", str(tmp_path / "index"))
