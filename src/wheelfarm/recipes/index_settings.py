"""`[tool.wheelfarm.index.<name>]`: the indexes that wheels are published to."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from wheelfarm.errors import FarmError
from wheelfarm.model import Target
from wheelfarm.recipes.strict import StrictModel

WHEELHOUSE: Final = "wheelhouse"
"""The farm's own index, which commands name like the others."""
_HTTP: Final = ("http", "https")


class IndexKind(StrEnum):
    """How wheels get into an index."""

    SIMPLE_UPLOAD = "simple-upload"
    STATIC = "static"


def _target(text: str) -> str:
    try:
        return Target.parse(text).identifier
    except FarmError as problem:
        raise ValueError(problem.why or problem.what) from problem


def _index_name(name: str) -> str:
    if name == WHEELHOUSE:
        raise ValueError("this is what the farm's own index is called")
    return name


def check_no_credentials(url: str) -> str:
    """The url, when it holds no user and no password.

    Raises:
        PydanticCustomError: when it does; the error does not show them.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        shown = urlunsplit(parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}", query=""))
        raise PydanticCustomError(
            "credentials",
            "a url in a file that is shared may hold no credentials: they come from TWINE_USERNAME and "
            "TWINE_PASSWORD, netrc or keyring",
            {"shown": shown},
        )
    return url


def _relative(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/") or any(mark in path for mark in "?# "):
        raise ValueError("a path below the url is expected, such as team/openblas")
    return path


Url = Annotated[str, Field(min_length=1), AfterValidator(check_no_credentials)]
TargetText = Annotated[str, AfterValidator(_target)]
IndexName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]*$"), AfterValidator(_index_name)]
RelativePath = Annotated[str, AfterValidator(_relative)]


class IndexTable(StrictModel):
    """An index that wheels are published to."""

    kind: Annotated[IndexKind, Field(strict=False)]
    url: Url
    targets: list[TargetText] = Field(
        min_length=1, description="What makes a release complete: a wheel for each of these targets, or none"
    )
    variants: dict[str, RelativePath] = Field(
        default={}, description="Path below `url` for each variant that it takes; all, by name, when unsaid"
    )
    read_url: Url | None = Field(
        default=None, description="Where installers read what is written to `url`, when that is elsewhere"
    )
    simple: RelativePath | None = Field(
        default=None,
        description="Where the simple index is, below the variant's path; found out by default",
    )
    listing_timeout: float = Field(
        default=30, ge=0, description="Seconds that the index may take to list what it has accepted"
    )

    sign: bool = Field(
        default=True,
        description="Whether provenance is signed where the publishing job has an identity: Sigstore's log, "
        "in which that is written down with the wheel's digest, is public",
    )
    signer: str | None = Field(
        default=None,
        description="Who must have signed the provenance of wheels that are taken or verified: an address, "
        "or a workflow's url with its ref; nobody, when unsaid",
    )
    issuer: str = Field(
        default="https://token.actions.githubusercontent.com",
        description="Who vouches for the signer's identity",
    )

    @field_validator("url")
    @classmethod
    def _fits_kind(cls, url: str, info: ValidationInfo) -> str:
        is_http = urlsplit(url).scheme in _HTTP
        if info.data.get("kind") is IndexKind.SIMPLE_UPLOAD and not is_http:
            raise ValueError("wheels are uploaded to a url of http or https")
        if info.data.get("kind") is IndexKind.STATIC and is_http:
            raise ValueError("files are written to a directory or an object store, such as s3://bucket/path")
        return url

    @field_validator("read_url")
    @classmethod
    def _readable(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in {*_HTTP, "file"}:
            raise ValueError("installers read http, https and file")
        return url

    def path(self, variant: str) -> str | None:
        """Where the wheels of a variant go, below `url`; None when the index does not take them."""
        return self.variants.get(variant) if self.variants else variant
