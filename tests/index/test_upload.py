"""Indexes that take uploads: their pages, files without a digest, bad names, and twine's output."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING

import pytest

from support.archives import digest
from support.candidates import make_candidate
from support.raised import only
from support.servers import IndexServer, Reply, index_server
from support.wheels import make_wheel
from wheelfarm.errors import PublishError, RefusedError, UnverifiedError
from wheelfarm.index.client import IndexClient
from wheelfarm.index.protocol import UploadFailure
from wheelfarm.index.upload import UploadIndex
from wheelfarm.index.verify import check_metadata
from wheelfarm.model import Name

if TYPE_CHECKING:
    from pathlib import Path

KEY = "0123456789ab"
METADATA = b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n"
WHEEL = f"alpha-1.0-1_{KEY}-py3-none-any.whl"


def index_at(server: IndexServer) -> UploadIndex:
    return upload_index(f"http://{server.host}/", {})


def upload_index(url: str, env: dict[str, str]) -> UploadIndex:
    client = IndexClient(index_url=url)
    return UploadIndex(name="internal", client=client, simple="simple", env=env, log=None)


def test_a_page_that_is_none() -> None:
    with index_server() as server:
        server.replies["/simple/alpha/"].append(
            Reply(
                b'{"meta": {"api-version": "9.0"}}',
                headers={"Content-Type": "application/vnd.pypi.simple.v1+json"},
            )
        )
        index = index_at(server)
        error = only(lambda: index.list_files([Name("alpha")]), PublishError)
        assert error.what == "the page of alpha cannot be read"


def test_a_listing_without_digests_is_hashed() -> None:
    with index_server() as server:
        server.add("alpha", {WHEEL: b"bytes"}, digests={WHEEL: ""})
        index = index_at(server)
        (file,) = index.list_files([Name("alpha")])[Name("alpha")]
        assert file.sha256 is None
        (file,) = index.list_files([Name("alpha")], {KEY})[Name("alpha")]
        assert file.sha256 == "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"
        error = only(lambda: index.yank(Name("alpha"), [], ""), PublishError)
        assert "yanked" in error.what
        assert "removed" in only(lambda: index.remove(Name("alpha"), []), PublishError).what


@pytest.mark.parametrize(
    ("attribute", "beside", "why"),
    [
        ("", None, None),
        ('data-core-metadata="true"', METADATA, None),
        (f'data-core-metadata="sha256={digest(METADATA)}"', METADATA, None),
        (f'data-dist-info-metadata="sha256={digest(METADATA)}"', METADATA, None),
        ('data-core-metadata="true"', b"other", "beside it, and the index lists True"),
        ('data-core-metadata="true"', None, "they are not there"),
        (f'data-core-metadata="sha256={"0" * 64}"', METADATA, f"the index lists {'0' * 64}"),
    ],
)
def test_core_metadata_beside_a_wheel(
    tmp_path: Path, attribute: str, beside: bytes | None, why: str | None
) -> None:
    wheel = make_wheel(tmp_path, "alpha", fields=["Metadata-Version: 2.1"])
    with index_server() as server:
        page = f'<a href="/files/{wheel.name}" {attribute}>{wheel.name}</a>'
        server.replies["/simple/alpha/"].append(Reply(page.encode(), headers={"Content-Type": "text/html"}))
        if beside is not None:
            server.replies[f"/files/{wheel.name}.metadata"].append(Reply(beside))
        index = index_at(server)
        (file,) = index.list_files([Name("alpha")])[Name("alpha")]
        if why is None:
            check_metadata(index, file, wheel)
        else:
            error = only(lambda: check_metadata(index, file, wheel), UnverifiedError)
            assert error.what == f"the core metadata beside {wheel.name} are not the wheel's"
            assert why in str(error.why)


def test_core_metadata_of_an_upload_server_are_not_mended() -> None:
    with index_server() as server:
        index = index_at(server)
        error = only(lambda: index.mend_metadata(Name("alpha"), {WHEEL: METADATA}), PublishError)
        assert error.what == "index internal has other core metadata than the wheels of alpha"
        assert WHEEL in str(error.where)


def test_a_file_without_a_digest_that_lies_elsewhere() -> None:
    """Many servers keep files in a store of their own, and send those who want one there."""
    name = WHEEL
    with index_server() as server, index_server() as store:
        server.add("alpha", {name: b""}, digests={name: ""})
        store.replies["/bytes"].append(Reply(b"bytes"))
        server.replies[f"/files/{name}"].clear()
        server.replies[f"/files/{name}"].append(
            Reply(status=302, headers={"Location": f"http://{store.host}/bytes"})
        )
        (file,) = index_at(server).list_files([Name("alpha")], {KEY})[Name("alpha")]
        assert file.sha256 == "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"
        store.replies["/bytes"] = deque([Reply(status=404)])
        (file,) = index_at(server).list_files([Name("alpha")], {KEY})[Name("alpha")]
        assert file.sha256 is None
        store.replies["/bytes"] = deque([Reply(status=403)])
        only(lambda: index_at(server).list_files([Name("alpha")], {KEY}), RefusedError)


@pytest.mark.parametrize("build", ["1/../../../evil", "1\\..\\evil"])
def test_a_name_that_leads_elsewhere(build: str) -> None:
    """Such a build tag is one for those who read file names; whoever fetches the file writes it there."""
    page = {"meta": {"api-version": "1.0"}, "name": "alpha"}
    files = [{"filename": f"alpha-1.0-{build}-py3-none-any.whl", "url": "x.whl", "hashes": {}}]
    with index_server() as server:
        server.replies["/simple/alpha/"].append(
            Reply(
                json.dumps({**page, "files": files}).encode(),
                headers={"Content-Type": "application/vnd.pypi.simple.v1+json"},
            )
        )
        error = only(lambda: index_at(server).list_files([Name("alpha")]), PublishError)
        assert error.what == "the index lists an invalid file name"


def fake_twine(directory: Path, script: str) -> dict[str, str]:
    """The environment with a program in the place of twine."""
    program = directory / "bin" / "twine"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": str(program.parent)}


def test_output_of_twine_that_nobody_knows(tmp_path: Path) -> None:
    index = upload_index("https://index.invalid/", fake_twine(tmp_path, "echo 'what now'; exit 3"))
    with pytest.raises(UploadFailure) as caught:
        index.upload([make_candidate("alpha")])
    assert caught.value.error.why == "what now"
    assert not caught.value.error.retryable


def test_more_wheels_than_a_command_line_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelfarm.index.upload._BATCH", 2)
    wheels = [make_candidate(name) for name in ("alpha", "beta", "gamma")]
    upload_index("http://x.invalid/", fake_twine(tmp_path, f"echo $* >> {tmp_path}/arguments")).upload(wheels)
    lines = (tmp_path / "arguments").read_text().splitlines()
    assert [line.split()[5:] for line in lines] == [
        [wheels[0].filename, wheels[1].filename],
        [wheels[2].filename],
    ]


def test_two_processes_upload_many_wheels_but_dependents_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wheelfarm.index.upload._MANY", 2)
    wheels = [make_candidate(name) for name in ("alpha", "beta")]
    wheels += [make_candidate(name, requires=["alpha"]) for name in ("gamma", "delta")]
    # Each waits for the other of its wave, and would wait for ever if that did not run beside it.
    meet = f"""
        echo "$6" >> {tmp_path}/arguments
        case "$6" in *alpha*|*beta*) count=2;; *) count=4;; esac
        while [ "$(/usr/bin/env -S PATH=/usr/bin:/bin wc -l < {tmp_path}/arguments)" -lt $count ]; do :; done
    """
    upload_index("http://x.invalid/", fake_twine(tmp_path, meet)).upload(wheels)
    names = [line.rsplit("/", 1)[-1] for line in (tmp_path / "arguments").read_text().splitlines()]
    assert sorted(names[:2]) == sorted(wheel.filename for wheel in wheels[:2])
    assert sorted(names[2:]) == sorted(wheel.filename for wheel in wheels[2:])


def test_a_final_failure_of_two_processes_is_reported_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wheelfarm.index.upload._MANY", 2)
    wheels = [make_candidate(name) for name in ("alpha", "beta")]
    script = """
        case "$6" in
          *alpha*) echo "requests.exceptions.ConnectionError: gone"; exit 1;;
          *) echo "what now"; exit 1;;
        esac
    """
    with pytest.raises(UploadFailure) as caught:
        upload_index("http://x.invalid/", fake_twine(tmp_path, script)).upload(wheels)
    assert caught.value.error.why == "what now"
