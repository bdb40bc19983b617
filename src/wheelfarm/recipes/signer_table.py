"""The settings of an index for signatures by a key of the site."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from wheelfarm.recipes.strict import FileText, StrictModel, TextForm

KeyUrl = Annotated[
    str,
    TextForm(
        r"(file2|hsm|awskms|azurekms|gcpkms):.*",
        "the url of a private key: file2:<path>, hsm:<id>?label=<token>, awskms:…, azurekms:… or gcpkms:…",
    ),
]
"""Of the schemes that securesystemslib knows, those whose keys may be of the kind that cosign makes."""


class SignerKey(StrictModel):
    """A public key of the site."""

    file: FileText = Field(description="The public key as PEM (ECDSA, NIST P-256), below the farm")
    expires: date | None = Field(
        default=None, description="The last day (UTC) on which a signature by this key counts"
    )
