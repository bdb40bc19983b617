"""Commits as sources, out of real repositories."""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import stat
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest

from support.repositories import Repository
from support.servers import Reply, git_server, index_server, served
from wheelfarm.errors import NetworkError, ProcessError, SourceError
from wheelfarm.model import GitCommit, parse_name
from wheelfarm.sources.cache import Cache
from wheelfarm.sources.fetcher import Fetcher
from wheelfarm.sources.git import Checkout
from wheelfarm.sources.git import Repository as Bare
from wheelfarm.sources.git_environment import _SETTINGS, git_environment
from wheelfarm.sources.unpacking import unpack

if TYPE_CHECKING:
    from pathlib import Path

NAME = parse_name("sample")


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    repository = Repository.create(tmp_path / "upstream")
    repository.commit({"old": b"old"})
    run = repository.path / "run.sh"
    run.write_bytes(b"#!/bin/sh\n")
    run.chmod(0o755)
    (repository.path / "link").symlink_to("run.sh")
    return repository


@pytest.fixture
def fetcher(tmp_path: Path) -> Fetcher:
    return Fetcher(cache=tmp_path / "cache", index_url="http://127.0.0.1:1/")


def pin(repository: Repository, commit: str, *, submodules: bool = False) -> GitCommit:
    return GitCommit(version="1.0", url=repository.path.as_uri(), commit=commit, submodules=submodules)


def commit_with_submodule(tmp_path: Path) -> str:
    """A commit of srv/outer, with srv/inner beside it as its submodule."""
    inner = Repository.create(tmp_path / "srv/inner")
    inner.commit({"innermost": b"1"})
    outer = Repository.create(tmp_path / "srv/outer")
    outer.git("submodule", "--quiet", "add", "../inner", "sub")
    return outer.commit({"file": b"2"})


def offline(fetcher: Fetcher) -> Fetcher:
    return Fetcher(cache=fetcher.cache, index_url=fetcher.index_url, offline=True)


class TestTar:
    def test_holds_the_files_as_committed(
        self, upstream: Repository, fetcher: Fetcher, tmp_path: Path
    ) -> None:
        files = {
            ".gitattributes": b"hidden export-ignore\nsubst export-subst\ncr eol=crlf text\nid ident\n",
            "hidden": b"tests",
            "subst": b"$Format:%H %d$\n",
            "cr": b"a\nb\n",
            "id": b"$Id$\n",
            "deep/\xfc er/x": b"1",
        }
        commit = upstream.commit(files)
        source = fetcher.source(NAME, pin(upstream, commit))
        assert (source.version, source.path.name) == ("1.0", "sample-1.0.tar")
        top = unpack(source, tmp_path / "into")
        assert top.name == "sample-1.0"
        assert {name: (top / name).read_bytes() for name in files} == files
        assert (top / "link").readlink().as_posix() == "run.sh"
        assert stat.S_IMODE((top / "run.sh").stat().st_mode) == 0o755

    def test_says_nothing_of_machine_and_time(self, upstream: Repository, fetcher: Fetcher) -> None:
        source = fetcher.source(NAME, pin(upstream, upstream.commit({"z": b"", "a/b": b""})))
        with tarfile.open(source.path, "r:") as archive:
            members = archive.getmembers()
        names = [member.name for member in members]
        assert names == sorted(names)
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 1_600_000_000)}

    def test_is_the_same_from_any_cache(self, upstream: Repository, fetcher: Fetcher, tmp_path: Path) -> None:
        source = pin(upstream, upstream.commit())
        other = Fetcher(cache=tmp_path / "other", index_url="http://x/")
        assert fetcher.source(NAME, source).sha256 == other.source(NAME, source).sha256
        # A change of these bytes is a change of every build key of a commit.
        expected = "43ee870c663a62a5cc97c1f650fcd6f9c6655a6bab4043ac7e7e9ae906af7c2b"
        assert fetcher.source(NAME, source).sha256 == expected

    def test_is_cached(self, upstream: Repository, fetcher: Fetcher, tmp_path: Path) -> None:
        source = pin(upstream, upstream.commit())
        first = fetcher.source(NAME, source)
        upstream.path.rename(tmp_path / "moved")
        assert offline(fetcher).source(NAME, source) == first
        first.path.unlink()
        # The commit is still in the cache's repository.
        assert offline(fetcher).source(NAME, source) == first

    def test_a_sha256_repository(self, tmp_path: Path, fetcher: Fetcher) -> None:
        repository = Repository.create(tmp_path / "new", hash_format="sha256")
        commit = repository.commit({"x": b"1"})
        assert len(commit) == 64
        assert fetcher.source(NAME, pin(repository, commit.upper())).path.is_file()

    def test_a_server_that_gives_no_single_commits(
        self, upstream: Repository, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = upstream.commit({"x": b"1"})
        upstream.commit({"x": b"2"})
        # Old servers speak the first version of git's protocol, in which only tips can be fetched.
        monkeypatch.setitem(_SETTINGS, "protocol.version", "0")
        source = fetcher.source(NAME, pin(upstream, first))
        with tarfile.open(source.path) as archive:
            content = archive.extractfile("sample-1.0/x")
            assert content is not None
            assert content.read() == b"1"


class TestRefusals:
    @pytest.mark.parametrize("commit", ["main", "v1.0", "abcdef1", "g" * 40, "a" * 41])
    def test_what_does_not_pin(self, commit: str, upstream: Repository, fetcher: Fetcher) -> None:
        with pytest.raises(SourceError, match="does not pin a commit"):
            fetcher.source(NAME, pin(upstream, commit))

    def test_an_unknown_commit(self, upstream: Repository, fetcher: Fetcher) -> None:
        upstream.commit()
        with pytest.raises(SourceError, match="a" * 40):
            fetcher.source(NAME, pin(upstream, "a" * 40))

    def test_a_tag_is_no_commit(self, upstream: Repository, fetcher: Fetcher) -> None:
        upstream.commit()
        upstream.git("tag", "--annotate", "--message=x", "v1")
        with pytest.raises(SourceError, match="it is a tag"):
            fetcher.source(NAME, pin(upstream, upstream.git("rev-parse", "v1").strip()))

    def test_no_repository(self, tmp_path: Path, fetcher: Fetcher) -> None:
        with pytest.raises(SourceError, match="does not have"):
            fetcher.source(NAME, pin(Repository(tmp_path / "nothing"), "a" * 40))

    def test_no_server(self, fetcher: Fetcher) -> None:
        lost = GitCommit(version="1", url="http://me:hunter22@127.0.0.1:1/x.git", commit="a" * 40)
        with pytest.raises(NetworkError, match="could not be fetched") as caught:
            fetcher.source(NAME, lost)
        assert not any(secret in str(caught.value) for secret in ("me:", "hunter22"))
        with pytest.raises(NetworkError, match="offline"):
            offline(fetcher).source(NAME, lost)

    def test_other_transports(self, fetcher: Fetcher, tmp_path: Path) -> None:
        evil = GitCommit(version="1", url=f"ext::touch {tmp_path}/evil", commit="a" * 40)
        with pytest.raises(NetworkError, match="not allowed"):
            fetcher.source(NAME, evil)
        assert not (tmp_path / "evil").exists()

    def test_no_git(self, upstream: Repository, tmp_path: Path) -> None:
        fetcher = Fetcher(
            cache=tmp_path / "c",
            index_url="http://x/",
            environ={"PATH": str(tmp_path)},
        )
        with pytest.raises(ProcessError, match="git was not found"):
            fetcher.source(NAME, pin(upstream, "a" * 40))


class TestSubmodules:
    def test_are_in_the_tar_on_request(self, upstream: Repository, fetcher: Fetcher, tmp_path: Path) -> None:
        inner = Repository.create(tmp_path / "inner")
        inner.commit({"innermost": b"3"})
        middle = Repository.create(tmp_path / "middle")
        middle.commit({"file": b"2"})
        middle.git("submodule", "--quiet", "add", "--name", "odd name", "../inner", "vendor/inner")
        middle.commit()
        upstream.git("submodule", "--quiet", "add", middle.path.as_uri(), "sub")
        commit = upstream.commit()
        with_them = unpack(fetcher.source(NAME, pin(upstream, commit, submodules=True)), tmp_path / "with")
        assert (with_them / "sub" / "file").read_bytes() == b"2"
        assert (with_them / "sub" / "vendor" / "inner" / "innermost").read_bytes() == b"3"
        without = unpack(fetcher.source(NAME, pin(upstream, commit)), tmp_path / "without")
        assert (without / ".gitmodules").is_file()
        assert not (without / "sub").exists()

    def test_none_there(self, upstream: Repository, fetcher: Fetcher) -> None:
        commit = upstream.commit()
        plain = fetcher.source(NAME, pin(upstream, commit))
        assert fetcher.source(NAME, pin(upstream, commit, submodules=True)).sha256 == plain.sha256

    @pytest.mark.parametrize(
        ("url", "module", "expected"),
        [
            ("https://host/group/outer.git", "../inner.git", "https://host/group/inner.git"),
            ("https://host/group/outer", "./inner", "https://host/group/outer/inner"),
            ("https://host/group/outer", "https://else/inner", "https://else/inner"),
            ("ssh://git@host/group/outer", "../../inner", "ssh://git@host/inner"),
            ("git@host:group/outer", "git@host:group/inner", "git@host:group/inner"),
            ("file:///srv/outer", "../inner", "file:///srv/inner"),
        ],
    )
    def test_urls(self, url: str, module: str, expected: str, fetcher: Fetcher) -> None:
        assert self.bare(fetcher, url)._resolve(module, "sub") == expected

    @pytest.mark.parametrize("module", ["file:///etc/secret", "/etc/secret"])
    def test_of_a_remote_repository_do_not_lead_into_this_machine(
        self, module: str, fetcher: Fetcher
    ) -> None:
        with pytest.raises(SourceError, match="points into this machine"):
            self.bare(fetcher, "https://host/outer")._resolve(module, "sub")

    def bare(self, fetcher: Fetcher, url: str) -> Bare:
        checkout = Checkout(cache=fetcher._cache, offline=False, environ={})
        return Bare(checkout, url, "a" * 40)


class TestCredentials:
    LOGIN = ("me@work", "hunter22/%")
    QUOTED = "me%40work:hunter22%2F%25"
    SECRETS = ("me@work", "hunter22", base64.b64encode(b"me@work:hunter22/%").decode())

    def fetcher(self, tmp_path: Path) -> Fetcher:
        """One whose git writes down what everybody on this machine could see of it and its children."""
        git_program = shutil.which("git", path=os.defpath)
        assert git_program
        wrapper = tmp_path / "bin" / "git"
        wrapper.parent.mkdir()
        seen = shlex.quote(str(tmp_path / "seen"))
        # git's own trace names its children's words.
        wrapper.write_text(
            f'#!/bin/sh\necho "$@" >> {seen}\nGIT_TRACE={seen} exec {shlex.quote(git_program)} "$@"\n'
        )
        wrapper.chmod(0o755)
        environ = {"PATH": f"{wrapper.parent}{os.pathsep}{os.defpath}"}
        return Fetcher(cache=tmp_path / "cache", index_url="http://x/", environ=environ)

    def test_reach_the_server_and_no_command_line(self, tmp_path: Path) -> None:
        commit = commit_with_submodule(tmp_path)
        with git_server(tmp_path / "srv", login=":".join(self.LOGIN)) as host:
            url = f"http://{self.QUOTED}@{host}/outer"
            source = GitCommit(version="1", url=url, commit=commit, submodules=True)
            top = unpack(self.fetcher(tmp_path).source(NAME, source), tmp_path / "into")
        assert (top / "file").read_bytes() == b"2"
        assert (top / "sub/innermost").read_bytes() == b"1"
        seen = (tmp_path / "seen").read_text()
        assert f"http://{host}/outer {commit}" in seen
        assert f"http://{host}/inner" in seen
        assert "remote-http" in seen
        for secret in (*self.SECRETS, *self.QUOTED.split(":")):
            assert secret not in seen
        for file in (tmp_path / "cache").rglob("*"):
            assert file.is_dir() or not any(secret.encode() in file.read_bytes() for secret in self.SECRETS)

    def test_that_are_wrong_are_not_in_the_error(self, tmp_path: Path) -> None:
        commit = commit_with_submodule(tmp_path)
        with git_server(tmp_path / "srv", login="other:login") as host:
            source = GitCommit(version="1", url=f"http://{self.QUOTED}@{host}/outer", commit=commit)
            with pytest.raises(NetworkError, match="could not be fetched") as caught:
                self.fetcher(tmp_path).source(NAME, source)
        assert not any(secret in str(caught.value) for secret in self.SECRETS)

    def test_go_to_no_server_that_theirs_leads_to(self, fetcher: Fetcher) -> None:
        with index_server() as first, index_server() as second:
            location = {"Location": f"http://{second.host}/x/info/refs?service=git-upload-pack"}
            first.replies["/x/info/refs"].append(Reply(status=302, headers=location))
            source = GitCommit(version="1", url=f"http://{self.QUOTED}@{first.host}/x", commit="a" * 40)
            with pytest.raises(NetworkError, match="could not be fetched") as caught:
                fetcher.source(NAME, source)
        (request,) = first.received
        assert request[1]["Authorization"] == f"Basic {self.SECRETS[-1]}"
        assert second.received == []
        assert caught.value.hint == "name the url that it leads to"


class TestMirrors:
    UPSTREAM = "https://git.invalid"

    def fetcher(self, tmp_path: Path, mirror: str, *, offline: bool = False) -> Fetcher:
        mirrors = {self.UPSTREAM: "https://elsewhere.invalid", f"{self.UPSTREAM}/team/": mirror}
        cache = tmp_path / "cache"
        return Fetcher(cache=cache, index_url="http://x/", mirrors=mirrors, offline=offline)

    def test_give_the_same_bytes_as_the_repository(self, upstream: Repository, tmp_path: Path) -> None:
        commit = upstream.commit({"x": b"1"})
        mirror = upstream.path.parent.as_uri()
        source = GitCommit(version="1.0", url=f"{self.UPSTREAM}/team/upstream", commit=commit)
        fetched = self.fetcher(tmp_path, mirror).source(NAME, source)
        # What lies on this machine needs no network.
        local = self.fetcher(tmp_path / "new", mirror, offline=True).source(NAME, source)
        direct = Fetcher(cache=tmp_path / "direct", index_url="http://x/").source(NAME, pin(upstream, commit))
        assert fetched.sha256 == local.sha256 == direct.sha256

    def test_have_submodules_beside_them(self, tmp_path: Path) -> None:
        commit = commit_with_submodule(tmp_path)
        url = f"{self.UPSTREAM}/team/outer"
        source = GitCommit(version="1", url=url, commit=commit, submodules=True)
        fetched = self.fetcher(tmp_path, (tmp_path / "srv").as_uri()).source(NAME, source)
        assert (unpack(fetched, tmp_path / "into") / "sub/innermost").read_bytes() == b"1"

    def test_get_no_credentials_of_the_repository(self, tmp_path: Path) -> None:
        source = GitCommit(version="1", url="https://me:hunter22@git.invalid/team/x", commit="a" * 40)
        with index_server() as mirror:
            fetcher = self.fetcher(tmp_path, f"http://{mirror.host}/m")
            with pytest.raises(SourceError) as caught:
                fetcher.source(NAME, source)
        assert {path.partition("?")[0] for path, _ in mirror.received} == {"/m/x/info/refs"}
        assert not any("Authorization" in headers for _, headers in mirror.received)
        place = f"http://{mirror.host}/m/x, the mirror of https://git.invalid/team/x"
        assert caught.value.where == place

    def test_are_named_where_a_repository_cannot_be_reached(self, fetcher: Fetcher) -> None:
        source = GitCommit(version="1", url="http://127.0.0.1:1/team/x", commit="a" * 40)
        with pytest.raises(NetworkError) as caught:
            fetcher.source(NAME, source)
        assert "set mirrors in [tool.wheelfarm]" in str(caught.value.hint)


def test_git_reads_no_settings_of_others() -> None:
    env = git_environment({"GIT_DIR": "/x", "GIT_CONFIG_GLOBAL": "/x", "HOME": "/h", "SSH_AUTH_SOCK": "/s"})
    assert (env["HOME"], env["SSH_AUTH_SOCK"]) == ("/h", "/s")
    assert "GIT_DIR" not in env
    assert env["GIT_CONFIG_GLOBAL"] != "/x"


class TestHead:
    def checkout(self, fetcher: Fetcher) -> Checkout:
        return Checkout(cache=Cache(fetcher.cache), offline=fetcher.offline, environ={"PATH": os.defpath})

    def test_is_the_newest_commit_and_its_time(self, upstream: Repository, fetcher: Fetcher) -> None:
        old = upstream.commit({"x": b"1"})
        upstream.git("branch", "maintenance/1.x")
        new = upstream.commit({"x": b"2"})
        checkout, url = self.checkout(fetcher), upstream.path.as_uri()
        assert checkout.head(url, "main") == (new, 1_600_000_000)
        assert checkout.head(url, "maintenance/1.x") == (old, 1_600_000_000)
        # What was looked up can be built without asking again.
        upstream.path.rename(upstream.path.with_name("moved"))
        assert offline(fetcher).source(NAME, pin(upstream, new)).path.is_file()

    @pytest.mark.parametrize("branch", ["1.x", "v1", "mai", "heads/main"])
    def test_no_branch_of_that_name(self, upstream: Repository, fetcher: Fetcher, branch: str) -> None:
        """A tag, the end of a name and a pattern are none."""
        upstream.commit()
        upstream.git("branch", "maintenance/1.x")
        upstream.git("tag", "v1")
        with pytest.raises(SourceError, match=f"has no branch '{branch}'") as caught:
            self.checkout(fetcher).head(upstream.path.as_uri(), branch)
        assert caught.value.why == "its branches are main, maintenance/1.x"

    def test_a_shallow_repository(self, upstream: Repository, fetcher: Fetcher) -> None:
        upstream.commit({"x": b"1"})
        new = upstream.commit({"x": b"2"})
        upstream.git("clone", "--quiet", "--depth=1", upstream.path.as_uri(), "../shallow")
        url = upstream.path.with_name("shallow").as_uri()
        assert self.checkout(fetcher).head(url, "main")[0] == new
        assert fetcher.source(NAME, GitCommit(version="1.0", url=url, commit=new)).path.is_file()

    def test_a_server_that_only_serves_files(
        self, upstream: Repository, fetcher: Fetcher, tmp_path: Path
    ) -> None:
        old = upstream.commit({"x": b"1"})
        new = upstream.commit({"x": b"2"})
        upstream.git("clone", "--quiet", "--bare", str(upstream.path), "../served/x.git")
        bare = Repository(tmp_path / "served" / "x.git")
        bare.git("update-server-info")
        handler = partial(SimpleHTTPRequestHandler, directory=str(bare.path.parent))
        with served(handler) as host:
            url = f"http://{host}/x.git"
            assert self.checkout(fetcher).head(url, "main")[0] == new
            source = fetcher.source(NAME, GitCommit(version="1.0", url=url, commit=old))
        with tarfile.open(source.path) as archive:
            content = archive.extractfile("sample-1.0/x")
            assert content is not None
            assert content.read() == b"1"

    def test_a_server_that_is_gone(self, fetcher: Fetcher) -> None:
        with pytest.raises(NetworkError, match="tags and branches of the repository could not be read"):
            self.checkout(fetcher).head("http://127.0.0.1:1/x.git", "main")
