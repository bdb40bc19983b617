"""Git commits as archives: fetched into a bare repository of the cache, written as a reproducible tar.

The tar has each file as it is committed: attributes that leave files out or change their content
(`export-ignore`, `export-subst`, `eol`, `ident`, filters) are switched off.
"""

from __future__ import annotations

import base64
import re
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from packaging.version import InvalidVersion, Version

from wheelfarm.errors import NetworkError, SourceError
from wheelfarm.model import sha256_of_bytes
from wheelfarm.sources.cache import chunks_of
from wheelfarm.sources.git_environment import git_environment
from wheelfarm.sources.urls import (
    credentials_of,
    mirrored,
    offline_error,
    secrets_of,
    shown,
    without_credentials,
)
from wheelfarm.system.locks import hold_lock
from wheelfarm.system.logs import get_logger
from wheelfarm.system.process import Command, Finished, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.model import Digest, GitCommit
    from wheelfarm.sources.cache import Cache

logger = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The files of one commit, as a tar from git."""

    path: Path
    prefix: str
    """Its directory in the whole tar, with a slash at its end; empty for the top."""
    time: int
    """Of its commit, in seconds since 1970."""


def write_tar(path: Path, trees: Sequence[Tree], *, top: str) -> None:
    """Write trees as one tar: names sorted, times of the commits, no owner, two modes, no directories."""
    with ExitStack() as stack:
        members = {}
        for tree in trees:
            archive = stack.enter_context(tarfile.open(tree.path, "r:"))
            for member in archive:
                if member.isfile() or member.issym():
                    members[f"{top}/{tree.prefix}{member.name}"] = (archive, member, tree.time)
        whole = stack.enter_context(tarfile.open(path, "w", format=tarfile.PAX_FORMAT))
        for name, (archive, member, time) in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = member.type, member.linkname, member.size
            info.mode = 0o755 if member.mode & 0o100 else 0o644
            info.mtime = time
            whole.addfile(info, archive.extractfile(member) if member.isfile() else None)


_TAGS: Final = "refs/tags/"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_GITLINK: Final = re.compile(r"160000 commit ([0-9a-f]+)\t([^\0]+)\0")
_SUBMODULE: Final = re.compile(r"submodule\.(.+)\.(path|url)\n([^\0]*)\0")
_ATTRIBUTES: Final = "* -text !eol -ident !filter !working-tree-encoding -export-ignore -export-subst\n"
_UNKNOWN: Final = re.compile(
    r"not our ref|unadvertised object|couldn't find remote ref|repository .*not found|does not exist"
    r"|does not appear to be a git repository|no such remote ref|bad object",
    re.IGNORECASE,
)
_ALL_ONLY: Final = re.compile(r"unadvertised object|dumb http transport does not support shallow")
_NAMED: Final = 10
"""Branches that an error names."""
_UNREACHABLE: Final = "check the url, the network and the proxy variables; or set mirrors in [tool.wheelfarm]"
_REDIRECTED: Final = re.compile(r"returned error: 30\d")


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """Gets commits out of repositories, which it caches; offline, only out of the cached ones."""

    cache: Cache
    offline: bool
    environ: Mapping[str, str]
    mirrors: Mapping[str, str] = field(default_factory=dict)
    """See `mirrored`."""

    def tar(self, source: GitCommit, top: str) -> tuple[Path, Digest]:
        """Write a commit, with its submodules if requested, below one top directory.

        Raises:
            SourceError: when the commit is not a full hash, or the repository does not have it.
            NetworkError: when the repository cannot be reached.
            ProcessError: when git is missing.
        """
        commit = source.commit.lower()
        if not _COMMIT.fullmatch(commit):
            raise SourceError(
                f"{source.commit!r} does not pin a commit",
                where=shown(source.url),
                why="a full hash of 40 or 64 hexadecimal digits is needed; tags and branches can move",
            )
        self.cache.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".git-", dir=self.cache.root) as scratch:
            trees = list(self._trees(source.url, commit, "", Path(scratch), submodules=source.submodules))
            path = Path(scratch, "whole")
            write_tar(path, trees, top=top)
            return self.cache.store(chunks_of(path), f"{top}.tar", accepted=None, origin=shown(source.url))

    def tagged(self, url: str, name: str, version: str) -> str:
        """The commit of a version's tag, which is called as most projects do: 1.2, v1.2 or name-1.2.

        Raises:
            SourceError: when there is none, or several with different commits.
            NetworkError: when the repository cannot be reached.
        """
        names = [f"{prefix}{version}" for prefix in _tag_prefixes(name)]
        found = self._references(url, [f"{_TAGS}{each}" for each in names])
        if len(set(found.values())) == 1:
            return next(iter(found.values()))
        what = f"the repository has {'several tags' if found else 'no tag'} for {version}"
        why = ", ".join(f"{tag}: {commit}" for tag, commit in found.items()) or f"none of {', '.join(names)}"
        raise SourceError(what, where=shown(url), why=why, hint="name the commit: --commit")

    def versions(self, url: str, name: str) -> set[Version]:
        """The versions whose tags `tagged` finds.

        Raises:
            NetworkError: when the repository cannot be reached.
        """
        texts = {
            tag.removeprefix(_TAGS).removeprefix(prefix)
            for tag in self._references(url, [f"{_TAGS}*"])
            for prefix in _tag_prefixes(name)
        }
        # A tag of a version that is written in another way, such as 1.0.0-rc1, is not found by it.
        return {Version(text) for text in texts if _is_normal(text)}

    def _references(self, url: str, names: Sequence[str], why: str | None = None) -> dict[str, str]:
        repository = Repository(self, url, "")
        repository.check_offline(why)
        return repository.references(names)

    def head(self, url: str, branch: str) -> tuple[str, int]:
        """The newest commit of a branch, which is fetched, and its time in seconds since 1970.

        Raises:
            SourceError: when the repository has no such branch.
            NetworkError: when it cannot be reached, or offline.
        """
        why = f"the newest commit of the branch {branch} is looked up there"
        heads = self._references(url, ["refs/heads/*"], why)
        commit = heads.get(f"refs/heads/{branch}")
        if commit is None:
            names = [name.removeprefix("refs/heads/") for name in heads]
            more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
            raise SourceError(
                f"the repository has no branch {branch!r}",
                where=shown(url),
                why=f"its branches are {', '.join([*names[:_NAMED], *more]) or '(none)'}",
            )
        repository = Repository(self, url, commit)
        repository.fetch()
        return commit, repository.time()

    def _trees(
        self, url: str, commit: str, prefix: str, scratch: Path, *, submodules: bool
    ) -> Iterator[Tree]:
        """The tree of a commit and, below it, those of its submodules."""
        repository = Repository(self, url, commit)
        repository.fetch()
        yield repository.archive(scratch / sha256_of_bytes(prefix.encode()), prefix)
        if submodules:
            for module_path, module_url, module_commit in repository.submodules():
                logger.info("fetching submodule %s%s", prefix, module_path)
                yield from self._trees(
                    module_url, module_commit, f"{prefix}{module_path}/", scratch, submodules=True
                )


@dataclass(frozen=True)
class Repository:
    """One commit in the bare repository of its url in the cache."""

    checkout: Checkout
    url: str
    commit: str

    def fetch(self) -> None:
        """Fetch the commit unless the repository has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with hold_lock(self.path.with_suffix(".git.lock")):
            if not self.path.is_dir():
                kind = "sha1" if len(self.commit) == 40 else "sha256"  # noqa: PLR2004 - their digits
                self._git("init", "--quiet", "--bare", f"--object-format={kind}", str(self.path))
            self.path.joinpath("info", "attributes").write_text(_ATTRIBUTES, encoding="utf-8")
            if self._kind() is None:
                self._fetch()
            if (kind_found := self._kind()) != "commit":
                raise SourceError(
                    f"{self.commit} is no commit of this repository",
                    where=shown(self.url),
                    why=f"it is a {kind_found}" if kind_found else "it was not among what was fetched",
                )

    def archive(self, into: Path, prefix: str) -> Tree:
        """Write the files of the commit as a tar."""
        self._git("archive", "--format=tar", f"--output={into}", self.commit)
        return Tree(path=into, prefix=prefix, time=self.time())

    def time(self) -> int:
        """When the commit was made, in seconds since 1970."""
        return int(self._git("show", "--no-patch", "--format=%ct", self.commit).output.split()[-1])

    def submodules(self) -> Iterator[tuple[str, str, str]]:
        """Path, url and commit of each submodule."""
        listing = self._git("config", "--null", "--blob", f"{self.commit}:.gitmodules", "--list", check=False)
        modules: dict[str, dict[str, str]] = {}
        for name, key, value in _SUBMODULE.findall(listing.output):
            modules.setdefault(name, {})[key] = value
        urls = {module["path"]: module.get("url", "") for module in modules.values() if "path" in module}
        if not urls:
            return
        tree = self._git("ls-tree", "-z", self.commit, "--", *urls)
        for commit, path in _GITLINK.findall(tree.output):
            yield path, self._resolve(urls[path], path), commit

    def references(self, names: Sequence[str]) -> dict[str, str]:
        """The commit of each of these tags or branches, or patterns of them, that the repository has.

        Raises:
            NetworkError: when it cannot be reached.
        """
        finished = self._git(
            "ls-remote", "--", self._remote, *names, *(f"{name}^{{}}" for name in names), check=False
        )
        if finished.returncode:
            why = finished.output.strip()
            what = "the tags and branches of the repository could not be read"
            raise NetworkError(what, where=self._shown_url, why=why, hint=_UNREACHABLE)
        pairs = (line.split("\t") for line in finished.output.splitlines() if "\t" in line)
        # The commit of an annotated tag is listed after the tag itself.
        return {name.removesuffix("^{}"): commit for commit, name in pairs}

    def check_offline(self, why: str | None = None) -> None:
        """Raise a NetworkError when the farm is offline and the repository is not on this machine."""
        if self.checkout.offline and not _is_local(self._mirrored_url):
            raise offline_error(self.url, why)

    @property
    def path(self) -> Path:
        """The bare repository; one for each url and kind of hash."""
        key = sha256_of_bytes(f"{len(self.commit)} {shown(self.url)}".encode())
        return self.checkout.cache.root / "git" / f"{key[:32]}.git"

    def _resolve(self, url: str, path: str) -> str:
        """The url of a submodule, which may be relative to ours (gitmodules documentation)."""
        resolved = url
        if url.startswith(("./", "../")):
            parts = urlsplit(self.url)
            joined = urljoin(f"http://host{parts.path}/", url)
            resolved = parts._replace(path=urlsplit(joined).path).geturl()
        if _is_local(resolved) and not _is_local(self.url):
            raise SourceError(
                f"the submodule {path} points into this machine",
                where=shown(self.url),
                why=f"its url is {url!r}",
            )
        return resolved

    def _fetch(self) -> None:
        self.check_offline()
        logger.info("fetching commit %s of %s", self.commit[:12], self._shown_url)
        finished = self._git(
            "fetch", "--quiet", "--no-tags", "--depth=1", "--", self._remote, self.commit, check=False
        )
        if finished.returncode and _ALL_ONLY.search(finished.output):
            # Old servers, and those that only serve files, give no single commit by its hash: fetch all.
            finished = self._git("fetch", "--quiet", "--", self._remote, "+refs/*:refs/farm/*", check=False)
        if finished.returncode:
            why = finished.output.strip()
            if _UNKNOWN.search(why):
                raise SourceError(
                    f"the repository does not have {self.commit}", where=self._shown_url, why=why
                )
            redirected = self._login and _REDIRECTED.search(why)
            hint = "name the url that it leads to" if redirected else _UNREACHABLE
            raise NetworkError(
                "the repository could not be fetched", where=self._shown_url, why=why, hint=hint
            )

    def _kind(self) -> str | None:
        finished = self._git("cat-file", "-t", self.commit, check=False)
        return finished.output.strip() if finished.returncode == 0 else None

    def _git(self, *arguments: str, check: bool = True) -> Finished:
        further = {}
        if self._login:
            further[f"http.{self._remote}.extraHeader"] = f"Authorization: Basic {self._login}"
            # git would send the header to the target of a redirect too.
            further[f"http.{self._remote}.followRedirects"] = "false"
        env = git_environment(self.checkout.environ, further) | {"GIT_DIR": str(self.path)}
        secrets = tuple(filter(None, (*secrets_of(self.url), self._login)))
        return run(Command(argv=("git", *arguments), env=env, secrets=secrets), check=check)

    @property
    def _mirrored_url(self) -> str:
        """The url, or that of its mirror."""
        return mirrored(self.url, self.checkout.mirrors)

    @property
    def _shown_url(self) -> str:
        """The url for messages, with that of its mirror."""
        mirror = self._mirrored_url
        return shown(self.url) if mirror == self.url else f"{shown(mirror)}, the mirror of {shown(self.url)}"

    @property
    def _remote(self) -> str:
        """The url for the command line, which all users of a machine can read."""
        return without_credentials(self._mirrored_url) if _is_http(self._mirrored_url) else self._mirrored_url

    @property
    def _login(self) -> str | None:
        """User and password of the url as HTTP's Basic scheme has them (RFC 7617)."""
        login = credentials_of(self._mirrored_url) if _is_http(self._mirrored_url) else None
        return base64.b64encode(":".join(login).encode()).decode() if login else None


def _tag_prefixes(name: str) -> tuple[str, ...]:
    return ("", "v", f"{name}-", f"{name}-v")


def _is_normal(text: str) -> bool:
    """Whether a text is a version as PEP 440 writes it."""
    try:
        return str(Version(text)) == text
    except InvalidVersion:
        return False


def _is_http(url: str) -> bool:
    return urlsplit(url).scheme in {"http", "https"}


def _is_local(url: str) -> bool:
    """Whether a url is a path or a `file:` url; `host:path` is ssh."""
    return urlsplit(url).scheme == "file" or not re.match(r"[^/]+:", url)
