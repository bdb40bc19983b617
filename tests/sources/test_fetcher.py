"""Fetching from an index that misbehaves, into a cache that may be damaged."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import requests

from support.archives import digest
from support.servers import IndexServer, Reply, index_server, project_page
from support.wheels import make_wheel
from wheelfarm.errors import ArchiveError, HashError, NetworkError, SourceError
from wheelfarm.model import Archive, Limits, LockedRequirement, Sdist, Target, parse_digest, parse_name
from wheelfarm.sources.fetcher import Fetcher
from wheelfarm.sources.network import HttpClient
from wheelfarm.sources.urls import mirrored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheelfarm.model import Digest, FetchedSource, PinnedWheel

NAME = parse_name("sample")
SDIST = b"the bytes of sample 1.0" * 1000
PIN = Sdist(version="1.0", sha256=digest(SDIST))
FILE = "/files/sample-1.0.tar.gz"
PAGE = "/simple/sample/"
TARGET = Target.parse("cp312-manylinux_x86_64")
OTHER = parse_digest("0" * 64)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpClient, "backoff", 0.01)


@pytest.fixture
def index() -> Iterator[IndexServer]:
    with index_server() as server:
        server.add("sample", {"sample-1.0.tar.gz": SDIST, "sample-0.9.tar.gz": b"old"})
        yield server


@pytest.fixture
def fetcher(index: IndexServer, tmp_path: Path) -> Fetcher:
    return Fetcher(cache=tmp_path / "cache", index_url=index.url, timeout=5)


def files_of(fetcher: Fetcher) -> list[Path]:
    """All files of the cache."""
    return [path for path in fetcher.cache.rglob("*") if path.is_file()]


def offline(fetcher: Fetcher, index_url: str = "http://127.0.0.1:1/simple") -> Fetcher:
    return Fetcher(cache=fetcher.cache, index_url=index_url, offline=True)


class TestSdist:
    def test_is_fetched_once(
        self, fetcher: Fetcher, index: IndexServer, log: pytest.LogCaptureFixture
    ) -> None:
        source = fetcher.source(NAME, PIN)
        place = fetcher.cache / "sha256" / PIN.sha256[:2] / PIN.sha256 / "sample-1.0.tar.gz"
        assert (source.path, source.sha256, source.version) == (place, PIN.sha256, "1.0")
        assert place.read_bytes() == SDIST
        assert fetcher.source(NAME, PIN) == source == offline(fetcher).source(NAME, PIN)
        assert index.paths == [PAGE, FILE]
        assert log.messages == ["fetching sample-1.0.tar.gz"]

    def test_a_page_is_read_once_where_pages_are_remembered(
        self, fetcher: Fetcher, index: IndexServer
    ) -> None:
        once = replace(fetcher, pages={})
        assert once.project(NAME) == once.project(NAME)
        once.source(NAME, PIN)
        assert index.paths == [PAGE, FILE]
        fetcher.project(NAME)
        fetcher.project(NAME)
        assert index.paths == [PAGE, FILE, PAGE, PAGE]

    def test_a_damaged_file_is_fetched_again(self, fetcher: Fetcher) -> None:
        path = fetcher.source(NAME, PIN).path
        path.write_bytes(SDIST[:-1])
        with pytest.raises(NetworkError):
            offline(fetcher).source(NAME, PIN)
        assert not path.exists()
        assert fetcher.source(NAME, PIN).path.read_bytes() == SDIST

    def test_a_version_that_is_not_there(self, fetcher: Fetcher, index: IndexServer) -> None:
        index.replies[PAGE].clear()
        files = [f"sample-{v}.tar.gz" for v in ("0.1", "1.0", "1.1", "1.2", "1.9", "2.0", "10.0")]
        index.add("sample", dict.fromkeys([*files, "sample-junk.txt", "sample-1.2.3.tar.gz"], b""))
        with pytest.raises(SourceError, match=r"no sample 1\.2\.4") as caught:
            fetcher.source(NAME, Sdist(version="1.2.4", sha256=OTHER))
        assert caught.value.why == "the nearest versions are 1.0, 1.1, 1.2, 1.2.3, 1.9"

    def test_a_project_that_is_not_there(self, fetcher: Fetcher) -> None:
        with pytest.raises(SourceError, match="no project other"):
            fetcher.source(parse_name("other"), PIN)

    def test_an_empty_page(self, fetcher: Fetcher, index: IndexServer) -> None:
        index.add("empty", {})
        with pytest.raises(SourceError, match="lists no files"):
            fetcher.source(parse_name("empty"), PIN)

    def test_a_version_with_wheels_alone(self, fetcher: Fetcher, index: IndexServer) -> None:
        index.add("wheels", {"wheels-1.0-py3-none-any.whl": b""})
        with pytest.raises(SourceError, match="no source distribution"):
            fetcher.source(parse_name("wheels"), PIN)

    def test_a_version_is_found_however_it_is_written(self, fetcher: Fetcher) -> None:
        assert (
            fetcher.source(NAME, Sdist(version="1.0.0", sha256=PIN.sha256)).path.name == "sample-1.0.tar.gz"
        )

    def test_yanked_but_pinned(
        self, fetcher: Fetcher, index: IndexServer, log: pytest.LogCaptureFixture
    ) -> None:
        index.add("yanked", {"yanked-1.0.tar.gz": SDIST})
        fetcher.source(parse_name("yanked"), PIN)
        assert log.messages[0] == "yanked-1.0.tar.gz is yanked: broken"

    def test_json_pages_work_too(self, fetcher: Fetcher, index: IndexServer) -> None:
        kind = "application/vnd.pypi.simple.v1+json"
        body = (
            '{"meta": {"api-version": "1.0"}, "name": "modern", "files": [{"filename": "modern-1.0.tar.gz",'
            f'"url": "../../files/sample-1.0.tar.gz", "hashes": {{"sha256": "{PIN.sha256}"}}}}]}}'
        )
        index.replies["/simple/modern/"].append(Reply(body.encode(), headers={"Content-Type": kind}))
        assert fetcher.source(parse_name("modern"), PIN).path.name == "modern-1.0.tar.gz"

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("image/png", b""),
            ("application/vnd.pypi.simple.v1+json", b"{"),
            ("text/html", b'<meta name="pypi:repository-version" content="9.0">'),
        ],
    )
    def test_a_page_of_another_kind(
        self, kind: str, body: bytes, fetcher: Fetcher, index: IndexServer
    ) -> None:
        index.replies["/simple/odd/"].append(Reply(body, headers={"Content-Type": kind}))
        with pytest.raises(SourceError, match="cannot be read"):
            fetcher.source(parse_name("odd"), PIN)


class TestHashes:
    def test_the_index_gives_another(self, fetcher: Fetcher) -> None:
        with pytest.raises(HashError, match="not the file that was pinned") as caught:
            fetcher.source(NAME, Sdist(version="1.0", sha256=OTHER))
        assert OTHER in str(caught.value)
        assert PIN.sha256 in str(caught.value)
        assert files_of(fetcher) == []

    def test_the_bytes_have_another(self, fetcher: Fetcher, index: IndexServer) -> None:
        index.replies[FILE].clear()
        index.replies[FILE].append(Reply(b"evil"))
        with pytest.raises(HashError) as caught:
            fetcher.source(NAME, PIN)
        assert digest(b"evil") in str(caught.value)
        assert PIN.sha256 in str(caught.value)
        assert files_of(fetcher) == []
        assert index.paths.count(FILE) == 1

    def test_an_index_without_digests(self, fetcher: Fetcher, index: IndexServer) -> None:
        index.add("bare", {"bare-1.0.tar.gz": SDIST}, digests={"bare-1.0.tar.gz": ""})
        assert fetcher.source(parse_name("bare"), PIN).sha256 == PIN.sha256
        with pytest.raises(HashError):
            fetcher.source(parse_name("bare"), Sdist(version="1.0", sha256=OTHER))

    def test_of_two_sdists_the_pinned_one(self, fetcher: Fetcher, index: IndexServer) -> None:
        index.add("two", {"two-1.0.zip": b"zip", "two-1.0.tar.gz": SDIST})
        assert fetcher.source(parse_name("two"), PIN).path.name == "two-1.0.tar.gz"


class TestTrouble:
    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_a_busy_server_gets_another_request(
        self, status: int, fetcher: Fetcher, index: IndexServer
    ) -> None:
        index.replies[FILE].extendleft([Reply(status=status), Reply(status=status)])
        assert fetcher.source(NAME, PIN).path.read_bytes() == SDIST
        assert index.paths.count(FILE) == 3

    def test_three_times_at_most(
        self, fetcher: Fetcher, index: IndexServer, log: pytest.LogCaptureFixture
    ) -> None:
        index.replies[FILE].extendleft([Reply(status=500)] * 3)
        with pytest.raises(NetworkError, match=r"status 500 \(3 tries\)"):
            fetcher.source(NAME, PIN)
        assert log.messages[1:] == ["127.0.0.1/files/sample-1.0.tar.gz: status 500; trying again"] * 2

    def test_a_truncated_download(self, fetcher: Fetcher, index: IndexServer) -> None:
        index.replies[FILE].appendleft(Reply(SDIST, cut=100))
        assert fetcher.source(NAME, PIN).path.read_bytes() == SDIST
        (fetcher.source(NAME, PIN).path).unlink()
        index.replies[FILE].extendleft([Reply(SDIST, cut=100)] * 3)
        with pytest.raises(NetworkError, match="IncompleteRead"):
            fetcher.source(NAME, PIN)
        assert files_of(fetcher) == []

    def test_a_truncated_download_of_unknown_length(self, fetcher: Fetcher, index: IndexServer) -> None:
        index.replies[FILE].appendleft(Reply(SDIST, cut=100, length=False))
        with pytest.raises(HashError):
            fetcher.source(NAME, PIN)
        assert files_of(fetcher) == []

    @pytest.mark.parametrize(("status", "hint"), [(403, "credentials"), (400, "None")])
    def test_a_refusal_is_final(self, status: int, hint: str, fetcher: Fetcher, index: IndexServer) -> None:
        index.replies[FILE].appendleft(Reply(status=status))
        with pytest.raises(NetworkError, match="refuses") as caught:
            fetcher.source(NAME, PIN)
        assert hint in str(caught.value.hint)
        assert index.paths.count(FILE) == 1

    def test_a_file_that_is_gone(self, fetcher: Fetcher, index: IndexServer) -> None:
        index.replies[FILE].clear()
        with pytest.raises(SourceError, match="status 404"):
            fetcher.source(NAME, PIN)

    def test_no_server(self, tmp_path: Path) -> None:
        lost = Fetcher(cache=tmp_path, index_url="http://me:pass@127.0.0.1:1/s?token=x")
        with pytest.raises(NetworkError, match="could not be reached") as caught:
            lost.source(NAME, PIN)
        assert caught.value.where == "http://127.0.0.1:1/s"
        assert not any(secret in str(caught.value) for secret in ("me:", "pass", "token"))

    def test_no_such_scheme(self, fetcher: Fetcher) -> None:
        with pytest.raises(NetworkError, match="InvalidSchema"):
            fetcher.source(NAME, Archive(version="1.0", url="gopher://x/y.zip", sha256=OTHER))

    def test_an_untrusted_certificate_gets_its_own_hint(self) -> None:
        error = HttpClient(index_url="")._unreachable(
            "https://x/", requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED")
        )
        assert "REQUESTS_CA_BUNDLE" in str(error.hint)

    def test_offline(self, fetcher: Fetcher, index: IndexServer) -> None:
        with pytest.raises(NetworkError, match="offline") as caught:
            offline(fetcher, index.url).source(NAME, PIN)
        assert "offline" in str(caught.value.hint)
        with pytest.raises(NetworkError, match="offline"):
            offline(fetcher).source(
                NAME, Archive(version="1", url=f"http://{index.host}{FILE}", sha256=OTHER)
            )
        assert index.received == []


class TestCredentials:
    def test_go_to_the_host_of_the_index_alone(self, index: IndexServer, tmp_path: Path) -> None:
        with index_server() as elsewhere:
            elsewhere.replies["/files/far-1.0.tar.gz"].append(Reply(SDIST))
            page = project_page({"far-1.0.tar.gz": SDIST}, {}, f"http://{elsewhere.host}/files/")
            index.replies["/simple/far/"].append(Reply(page, headers={"Content-Type": "text/html"}))
            url = f"http://us%20er:pw@{index.host}/simple"
            fetcher = Fetcher(cache=tmp_path / "c", index_url=url)
            fetcher.source(NAME, PIN)
            assert all(headers["Authorization"] == "Basic dXMgZXI6cHc=" for _, headers in index.received)
            (fetcher.cache / "sha256" / PIN.sha256[:2] / PIN.sha256 / "sample-1.0.tar.gz").unlink()
            fetcher.source(parse_name("far"), PIN)
            assert "Authorization" not in elsewhere.received[0][1]

    def test_of_an_archive_itself(self, fetcher: Fetcher, index: IndexServer) -> None:
        url = f"http://a:b@{index.host}{FILE}"
        fetcher.source(NAME, Archive(version="1.0", url=url, sha256=PIN.sha256))
        assert index.received[0][1]["Authorization"] == "Basic YTpi"


class TestArchive:
    def test_is_fetched_as_it_lies_there(self, fetcher: Fetcher, index: IndexServer) -> None:
        reply = Reply(SDIST, headers={"Content-Encoding": "gzip", "Content-Type": "application/x-tar"})
        url = f"http://{index.host}/v1%2E0/..%2Fodd%20name.tar.gz?x=1"
        index.replies["/v1.0/..%2Fodd%20name.tar.gz"].append(reply)
        source = fetcher.source(NAME, Archive(version="1.0", url=url, sha256=PIN.sha256))
        assert source.path.read_bytes() == SDIST
        assert source.path.name == "_odd_name.tar.gz"
        assert index.received[0][1]["Accept-Encoding"] == "identity"

    def test_from_a_file_url(self, fetcher: Fetcher, tmp_path: Path) -> None:
        file = tmp_path / "a b.tar.gz"
        file.write_bytes(SDIST)
        archive = Archive(version="1.0", url=file.as_uri(), sha256=PIN.sha256)
        assert offline(fetcher).source(NAME, archive).path.name == "a_b.tar.gz"
        with pytest.raises(SourceError, match="no such file"):
            fetcher.source(NAME, Archive(version="1.0", url=f"{file.as_uri()}.gone", sha256=OTHER))

    def test_from_a_mirror(self, index: IndexServer, tmp_path: Path) -> None:
        index.replies["/m/a/sample.tar.gz"].append(Reply(SDIST))
        mirrors = {"https://files.invalid/": f"http://{index.host}/m/"}
        fetcher = Fetcher(cache=tmp_path / "c", index_url=index.url, mirrors=mirrors)
        url = "https://me:pw@files.invalid/a/sample.tar.gz"
        source = fetcher.source(NAME, Archive(version="1.0", url=url, sha256=PIN.sha256))
        assert source.path.read_bytes() == SDIST
        assert "Authorization" not in index.received[0][1]

    def test_a_mirror_ends_where_a_part_of_the_path_does(self) -> None:
        mirrors = {"https://a.invalid/x": "https://m.invalid/y"}
        assert mirrored("https://a.invalid/x/z?q=1", mirrors) == "https://m.invalid/y/z?q=1"
        assert mirrored("https://a.invalid/x", mirrors) == "https://m.invalid/y"
        for other in ("https://a.invalid/xz", "https://a.invalid.evil/x", "git@a.invalid:x/z"):
            assert mirrored(other, mirrors) == other


def test_an_index_in_a_directory(tmp_path: Path) -> None:
    (tmp_path / "simple" / "sample").mkdir(parents=True)
    (tmp_path / "files").mkdir()
    (tmp_path / "simple" / "sample" / "index.html").write_bytes(
        project_page({"sample-1.0.tar.gz": SDIST}, {})
    )
    (tmp_path / "files" / "sample-1.0.tar.gz").write_bytes(SDIST)
    url = (tmp_path / "simple").as_uri()
    fetcher = Fetcher(cache=tmp_path / "cache", index_url=url)
    assert fetcher.source(NAME, PIN).path.read_bytes() == SDIST
    with pytest.raises(SourceError, match="no project other"):
        fetcher.source(parse_name("other"), Sdist(version="1.0", sha256=OTHER))


def test_two_at_once(fetcher: Fetcher) -> None:
    found: list[FetchedSource] = []
    threads = [threading.Thread(target=lambda: found.append(fetcher.source(NAME, PIN))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert files_of(fetcher) == [found[0].path]


WHEELS = {
    f"tool-2.0-{tag}.whl": tag.encode()
    for tag in (
        "py3-none-any",
        "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp312-cp312-manylinux_2_39_x86_64",
        "1-cp312-cp312-manylinux_2_28_x86_64",
        "cp312-cp312-win_amd64",
    )
} | {"tool-1.0-py3-none-any.whl": b"old", "tool-2.0-broken.whl": b"", "tool-2.0.tar.gz": b"sdist"}


class TestWheel:
    @pytest.fixture(autouse=True)
    def tool(self, index: IndexServer) -> None:
        index.add("tool", WHEELS)

    def wheel(
        self,
        fetcher: Fetcher,
        *,
        hashes: set[Digest] | None = None,
        target: Target = TARGET,
        version: str = "2.0",
        glibc: tuple[int, int] = (2, 28),
    ) -> PinnedWheel:
        known = frozenset(map(digest, WHEELS.values())) if hashes is None else frozenset(hashes)
        return fetcher.wheel(
            LockedRequirement(name=parse_name("tool"), version=version, hashes=known), target, glibc
        )

    def test_the_best_is_taken(self, fetcher: Fetcher) -> None:
        assert self.wheel(fetcher).path.name == "tool-2.0-1-cp312-cp312-manylinux_2_28_x86_64.whl"
        old = self.wheel(fetcher, glibc=(2, 17))
        assert old.path.name == "tool-2.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
        mac = self.wheel(fetcher, target=Target.parse("cp312-macosx_arm64"))
        assert (mac.path.name, mac.sha256, mac.farm) == (
            "tool-2.0-py3-none-any.whl",
            digest(b"py3-none-any"),
            False,
        )

    def test_of_those_locked(self, fetcher: Fetcher) -> None:
        pure = {digest(b"py3-none-any")}
        assert self.wheel(fetcher, hashes=pure).path.name == "tool-2.0-py3-none-any.whl"
        with pytest.raises(HashError, match="is not the file that was pinned") as caught:
            self.wheel(fetcher, hashes={OTHER})
        assert OTHER in str(caught.value)

    def test_a_cached_wheel_needs_no_index(self, fetcher: Fetcher, index: IndexServer) -> None:
        first = self.wheel(fetcher)
        requests = len(index.received)
        assert self.wheel(offline(fetcher)) == self.wheel(fetcher) == first
        assert len(index.received) == requests
        with pytest.raises(NetworkError, match="offline"):
            self.wheel(offline(fetcher), glibc=(2, 40))

    def test_a_wheel_that_the_cache_holds_is_not_fetched_again(
        self, fetcher: Fetcher, index: IndexServer
    ) -> None:
        self.wheel(fetcher, target=Target.parse("cp312-macosx_arm64"))
        self.wheel(fetcher, target=Target.parse("cp312-macosx_x86_64"))
        assert index.paths.count("/files/tool-2.0-py3-none-any.whl") == 1

    @pytest.mark.parametrize("damage", ["", "[]", '{"sha256": "x"}', "\udcff"])
    def test_a_damaged_answer_is_found_anew(self, damage: str, fetcher: Fetcher) -> None:
        first = self.wheel(fetcher)
        (answer,) = fetcher.cache.joinpath("answers").rglob("*.json")
        answer.write_bytes(damage.encode(errors="surrogateescape"))
        assert self.wheel(fetcher) == first

    def test_an_answer_that_the_lock_does_not_allow(self, fetcher: Fetcher) -> None:
        pure = digest(b"py3-none-any")
        other = self.wheel(fetcher, hashes={digest(b"cp312-cp312-manylinux_2_28_x86_64")})
        (answer,) = fetcher.cache.joinpath("answers").rglob("*.json")
        forged = answer.read_text().replace(f'"sha256": "{other.sha256}"', f'"sha256": "{pure}"')
        self.wheel(fetcher, hashes={pure})
        answer.write_text(forged)
        assert self.wheel(fetcher, hashes={other.sha256}) == other

    def test_a_damaged_wheel_is_fetched_again(self, fetcher: Fetcher) -> None:
        first = self.wheel(fetcher)
        first.path.write_bytes(b"")
        assert self.wheel(fetcher) == first
        assert first.path.read_bytes() == b"1-cp312-cp312-manylinux_2_28_x86_64"

    def test_no_wheel_for_the_target(self, fetcher: Fetcher, index: IndexServer) -> None:
        index.replies["/simple/tool/"].clear()
        index.add("tool", {"tool-2.0-cp312-cp312-win_amd64.whl": b""})
        with pytest.raises(
            SourceError, match=r"no wheel for cp312-manylinux_x86_64 \(glibc 2\.28\)"
        ) as caught:
            self.wheel(fetcher)
        assert "win_amd64" in str(caught.value.why)

    def test_one_that_unpacks_to_more_than_the_limit(
        self, index: IndexServer, fetcher: Fetcher, tmp_path: Path
    ) -> None:
        """It is refused before anything installs it, fetched anew or from the cache."""
        path = make_wheel(tmp_path, "tool", "3.0", {"tool.bin": bytes(4000)})
        index.replies["/simple/tool/"].clear()
        index.add("tool", {path.name: path.read_bytes()})
        small, pinned = replace(fetcher, limits=Limits(unpacked=4000)), {digest(path.read_bytes())}
        for _ in range(2):
            with pytest.raises(ArchiveError, match="at most 4,000 are accepted"):
                self.wheel(small, hashes=pinned, version="3.0")
        assert self.wheel(fetcher, hashes=pinned, version="3.0").path.name == path.name


class TestPublished:
    def test_the_best_by_the_digest_that_the_index_gives(self, index: IndexServer, fetcher: Fetcher) -> None:
        index.add("tool", WHEELS)
        found = fetcher.published(parse_name("tool"), "2.0", TARGET, (2, 28))
        assert found.path.name == "tool-2.0-1-cp312-cp312-manylinux_2_28_x86_64.whl"
        assert found.sha256 == digest(WHEELS[found.path.name])


class TestFile:
    NAME = "tool-2.0-1-cp312-cp312-manylinux_2_28_x86_64.whl"

    def test_by_name_and_digest(self, index: IndexServer, fetcher: Fetcher) -> None:
        index.add("tool", WHEELS)
        wanted = digest(WHEELS[self.NAME])
        assert fetcher.file(parse_name("tool"), self.NAME, wanted).name == self.NAME
        # From the cache, without the index.
        assert replace(fetcher, offline=True).file(parse_name("tool"), self.NAME, wanted).name == self.NAME

    def test_one_that_is_not_there_or_another(self, index: IndexServer, fetcher: Fetcher) -> None:
        index.add("tool", WHEELS)
        with pytest.raises(SourceError, match=r"the index has no other\.whl"):
            fetcher.file(parse_name("tool"), "other.whl", digest(b"other"))
        with pytest.raises(HashError):
            fetcher.file(parse_name("tool"), self.NAME, digest(b"other"))
