"""Which wheel a lock and a target get from an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.archives import digest
from support.raised import only
from support.servers import IndexServer, index_server
from wheelfarm.errors import HashError, NetworkError, SourceError
from wheelfarm.model import LockedRequirement, Target, parse_digest, parse_name
from wheelfarm.sources.fetcher import Fetcher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wheelfarm.model import Digest, PinnedWheel

TARGET = Target.parse("cp312-manylinux_x86_64")
OTHER = parse_digest("0" * 64)


@pytest.fixture
def index() -> Iterator[IndexServer]:
    with index_server() as server:
        yield server


@pytest.fixture
def fetcher(index: IndexServer, tmp_path: Path) -> Fetcher:
    return Fetcher(cache=tmp_path / "cache", index_url=index.url, timeout=5)


def offline(fetcher: Fetcher) -> Fetcher:
    return Fetcher(cache=fetcher.cache, index_url="http://127.0.0.1:1/", offline=True)


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

    @pytest.mark.parametrize("damage", ["", "[]", "{}", '{"sha256": 5}', '{"sha256": "x"}', "\udcff"])
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

    def test_no_such_version(self, fetcher: Fetcher) -> None:
        with pytest.raises(SourceError, match=r"no tool 3\.0"):
            self.wheel(fetcher, version="3.0")


class TestPublished:
    def test_the_best_by_the_digest_that_the_index_gives(self, index: IndexServer, fetcher: Fetcher) -> None:
        index.add("tool", WHEELS)
        found = fetcher.published(parse_name("tool"), "2.0", TARGET, (2, 28))
        assert found.path.name == "tool-2.0-1-cp312-cp312-manylinux_2_28_x86_64.whl"
        assert found.sha256 == digest(WHEELS[found.path.name])

    def test_none_for_a_version(self, index: IndexServer, fetcher: Fetcher) -> None:
        index.add("tool", WHEELS)
        error = only(lambda: fetcher.published(parse_name("tool"), "3.0", TARGET, (2, 28)), SourceError)
        assert error.what == "the index has no tool 3.0"
