"""Checks of the indexes: reached, trusted, and with credentials that they accept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from requests.utils import get_netrc_auth

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.errors import FarmError, PublishError
from wheelfarm.index.client import find_credentials
from wheelfarm.index.factory import below
from wheelfarm.model import Sdist
from wheelfarm.run.doctor.check import Check, Status
from wheelfarm.sources.connections import UNTRUSTED
from wheelfarm.sources.network import DENIED, MISSING, HttpClient
from wheelfarm.sources.urls import credentials_of, index_or_default, local_path, shown, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from wheelfarm.recipes.index_table import IndexTable
    from wheelfarm.run.doctor.check import Setup

_TIMEOUT: Final = 15.0
_ANY_PROJECT: Final = "setuptools"
_BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables in which requests looks for a file of certificates."""
_TRUST: Final = "export REQUESTS_CA_BUNDLE=FILE, with the file of its authority's certificate"
_REFUSED: Final = 400


def check_index(setup: Setup) -> Iterator[Check]:
    """The index that sources and build requirements come from."""
    settings = setup.farm.settings
    url = index_or_default(settings.index_url)
    origin = f"from {settings.origins['index-url']}"
    path = local_path(url)
    if settings.offline:
        yield Check(name="index", status=Status.OK, finding="not contacted: the farm is offline")
    elif path is not None:
        there = path.is_dir()
        yield Check(
            name="index",
            status=Status.OK if there else Status.FAULT,
            finding=f"{shown(url)} is a directory" if there else f"there is no directory {path}",
            command=None if there else f"correct index-url, which comes {origin}",
            details=(origin,),
        )
    elif missing := _missing_bundle(setup):
        yield missing
    else:
        yield _contact(setup, url, origin)


def _missing_bundle(setup: Setup) -> Check | None:
    """A fault where a variable names a file of certificates that is not there: no request works then."""
    for variable in _BUNDLES:
        path = setup.farm.settings.environ.get(variable)
        if path:
            finding = f"{variable} names {path}, which does not exist"
            fault = Check(name="index", status=Status.FAULT, finding=finding, command=f"unset {variable}")
            return None if Path(path).exists() else fault
    return None


def _contact(setup: Setup, url: str, origin: str) -> Check:
    """Ask for the page of a project that the farm needs."""
    name = next((each.name for each in setup.recipes if isinstance(each.source, Sdist)), _ANY_PROJECT)
    page = f"{url.rstrip('/')}/{name}/"
    client = HttpClient(index_url=url, timeout=_TIMEOUT, tries=1, limits=setup.farm.settings.limits.values())
    signed_in = credentials_of(url) or get_netrc_auth(without_credentials(url))
    details = (shown(page), origin, f"credentials: {'yes' if signed_in else 'none'}")

    def fault(finding: str, command: str | None) -> Check:
        return Check(name="index", status=Status.FAULT, finding=finding, command=command, details=details)

    host = urlsplit(url).hostname or shown(url)
    try:
        status = client.consume(page, _read)
    except FarmError as error:
        return _unreachable("index", host, error, Status.FAULT, details)
    if status in DENIED:
        if signed_in:
            return fault(
                f"{host} does not accept the credentials (status {status})",
                f"correct user and password in the index url, which comes {origin}, or in netrc",
            )
        return fault(
            f"{host} wants credentials, and none are set (status {status})",
            f"put them into the index url, which comes {origin}, or: "
            f"echo 'machine {host} login USER password PASSWORD' >> ~/.netrc",
        )
    if status in MISSING:
        return fault(
            f"{host} has no project {name} (status {status})",
            f"correct index-url, which comes {origin}: a simple index is expected; or put {name} there",
        )
    if status >= _REFUSED:
        return fault(f"{host} has an error (status {status})", f"look into its log; curl -i {shown(page)}")
    accepted = ", and accepts the credentials" if signed_in else ""
    return Check(name="index", status=Status.OK, finding=f"{host} answers{accepted}", details=details)


def _read(answer: requests.Response) -> int:
    """Read an answer to its end: a server may close the connection on the way."""
    _ = answer.content
    return answer.status_code


def _unreachable(name: str, host: str, error: FarmError, status: Status, details: tuple[str, ...]) -> Check:
    why = error.why or error.what
    untrusted = UNTRUSTED in why
    reason = "its certificate is not trusted" if untrusted else why.partition(" (1 try)")[0]
    curl = f"curl -v https://{host}/, and check the proxy variables"
    return Check(
        name=name,
        status=status,
        finding=f"{host} cannot be used: {reason}",
        command=_TRUST if untrusted else curl,
        details=(*details, error.what, why),
    )


def check_own_indexes(setup: Setup) -> Iterator[Check]:
    """The indexes that wheels are published to: a build reads them, and goes on without."""
    if setup.farm.settings.offline:
        return
    for name, table in setup.farm.settings.indexes.items():
        url = table.read_url or table.url
        if urlsplit(url).scheme in {"http", "https"}:
            yield _check_own_index(setup, f"index {name}", table, url)


def _check_own_index(setup: Setup, name: str, table: IndexTable, url: str) -> Check:
    settings = setup.farm.settings
    path = table.path(settings.variant)
    url, host = below(url, path) if path else url, urlsplit(url).hostname or url
    try:
        found = find_credentials(table.url, settings.environ, programs_environment(settings))
    except PublishError as error:
        return Check.of_error(name, error, Status.WARNING)
    origin = f"credentials from {found.origin}" if found else "no credentials"
    client = HttpClient(
        index_url=url,
        credentials=(found.username, found.password) if found else None,
        timeout=_TIMEOUT,
        tries=1,
        authorities=settings.environ.get("TWINE_CERT"),
    )
    try:
        status = client.consume(url, _read)
    except FarmError as error:
        return _unreachable(name, host, error, Status.WARNING, (shown(url), origin))
    if status in DENIED:
        wrong = "does not accept the credentials" if found else "wants credentials, and none are set"
        return Check(
            name=name,
            status=Status.WARNING,
            finding=f"{host} {wrong} (status {status})",
            command="export TWINE_USERNAME=… TWINE_PASSWORD=…, or use netrc or keyring",
            details=(shown(url), origin),
        )
    # What is at the root of an index is its own business, and an empty variant has nothing yet.
    is_broken = status >= 500  # noqa: PLR2004 - RFC 9110
    return Check(
        name=name,
        status=Status.WARNING if is_broken else Status.OK,
        finding=f"{host} {'has an error' if is_broken else 'answers'} (status {status}); {origin}",
        details=(shown(url),),
    )
