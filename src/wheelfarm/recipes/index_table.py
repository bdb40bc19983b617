"""`[tool.wheelfarm.index.NAME]`: an index that wheels are published to."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from wheelfarm.model import Target
from wheelfarm.recipes.signer_table import KeyUrl, SignerKey
from wheelfarm.recipes.strict import StrictModel, TextForm, Url, parsed_by

WHEELHOUSE: Final = "wheelhouse"
"""The farm's own index, which commands name like the others."""
_HTTP: Final = ("http", "https")


def _index_name(name: str) -> str:
    if name == WHEELHOUSE:
        raise ValueError("this is what the farm's own index is called")
    return name


def _relative(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/") or any(mark in path for mark in "?# "):
        raise ValueError("a path below the url is expected, such as team/openblas")
    return path


TargetText = Annotated[str, parsed_by(lambda text: Target.parse(text).identifier)]
IndexName = Annotated[
    str,
    TextForm("[a-z0-9][a-z0-9-]*", "a name of small letters, digits and '-', no '-' first"),
    AfterValidator(_index_name),
]
RelativePath = Annotated[str, AfterValidator(_relative)]


class IndexKind(StrEnum):
    """How wheels get into an index."""

    SIMPLE_UPLOAD = "simple-upload"
    STATIC = "static"


class IndexTable(StrictModel):
    """An index that wheels are published to."""

    kind: Annotated[IndexKind, Field(strict=False)]
    url: Url
    targets: list[TargetText] = Field(
        min_length=1, description="What makes a release complete: a wheel for each of these targets, or none"
    )
    variants: dict[str, RelativePath] = Field(
        default={}, description="Path below `url` for each variant; by default every variant, by its name"
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
    development: bool = Field(
        default=False,
        description="Whether it takes development versions, such as nightlies; other indexes refuse them",
    )
    sign: bool = Field(
        default=True,
        description="Whether provenance is signed where the publishing job has an identity: Sigstore's log, "
        "in which that is written down with the wheel's digest, is public",
    )
    signer: str | None = Field(
        default=None,
        description="Who must have signed the provenance of wheels that are taken or verified: an address, "
        "or a workflow's url with its ref; by default none is required",
    )
    issuer: str = Field(
        default="https://token.actions.githubusercontent.com",
        description="Who vouches for the signer's identity",
    )
    signer_keys: list[SignerKey] = Field(
        default=[],
        description="The site's public keys, one of which must have signed the provenance of wheels that are "
        "taken or verified; the first is that of `sign-key`",
    )
    sign_key: KeyUrl | None = Field(
        default=None,
        description="The site's private key, with which `inv index.publish` signs provenance; it stays where "
        "it is, outside of the farm",
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

    @field_validator("signer_keys")
    @classmethod
    def _has_signatures(cls, keys: list[SignerKey], info: ValidationInfo) -> list[SignerKey]:
        if keys and info.data.get("kind") is IndexKind.SIMPLE_UPLOAD:
            raise ValueError("only a static index has signatures: each wheel would be refused")
        return keys

    @field_validator("sign_key")
    @classmethod
    def _can_sign(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is not None and info.data.get("kind") is IndexKind.SIMPLE_UPLOAD:
            raise ValueError("only a static index has provenance, which could be signed")
        if url is not None and not info.data.get("signer_keys"):
            raise ValueError("its public key is missing: put it first into `signer-keys`")
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
