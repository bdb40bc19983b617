"""What servers list: pages that are none, files without a digest, and names that lead elsewhere."""

from __future__ import annotations

import json
from collections import deque

import pytest

from support.raised import only
from support.servers import IndexServer, Reply, index_server
from wheelfarm.errors import PublishError, RefusedError
from wheelfarm.index.upload import UploadIndex
from wheelfarm.model import Name

KEY = "0123456789ab"
WHEEL = f"alpha-1.0-1_{KEY}-py3-none-any.whl"


def index_at(server: IndexServer) -> UploadIndex:
    url = f"http://{server.host}/"
    return UploadIndex("internal", url, "simple", None, {}, None)


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
