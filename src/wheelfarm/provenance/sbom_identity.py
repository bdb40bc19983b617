"""What names a component: package URLs (purl), digests and licenses, as CycloneDX writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BUNDLED: Final = re.compile(r"-[0-9a-f]{8}$")
"""What auditwheel added to the name of a library that had been vendored once before."""
_LONGEST_NAME: Final = 80
"""Letters of a license's name; what is longer is its text."""

_GCC: Final = "GPL-3.0-or-later WITH GCC-exception-3.1"
_KNOWN: Final[Mapping[str, str]] = {
    **dict.fromkeys(("libgfortran", "libgomp", "libgcc_s", "libgcc_s_seh", "libstdc++", "libatomic"), _GCC),
    "libquadmath": "LGPL-2.1-or-later",
    **dict.fromkeys(("libomp", "libiomp5md", "libc++"), "Apache-2.0 WITH LLVM-exception"),
    **dict.fromkeys(("libblas", "libcblas", "liblapack"), "BSD-3-Clause"),
    **dict.fromkeys(
        ("msvcp140", "vcomp140", "vcruntime140", "vcruntime140_1", "concrt140"), "LicenseRef-Visual-C-Runtime"
    ),
}
"""Licenses of the run-time libraries of compilers, and of netlib's, as their own projects state them.

GCC: "GCC Runtime Library Exception"; quadmath: its COPYING.LIB; LLVM: LICENSE.TXT; netlib: "modified BSD".
"""


def purl(kind: str, *path: str, version: str = "", **qualifiers: str) -> str:
    """A package URL (purl specification), such as pkg:deb/debian/libgomp1@12.2.0-14.

    Args:
        kind: its type.
        path: namespace, if any, and name.
        version: the version, or empty.
        qualifiers: in any order; they are sorted.
    """
    names = "/".join(quote(part, safe="") for part in path if part)
    at = f"@{quote(version, safe='')}" if version else ""
    # Of all letters the specification leaves the colon alone.
    pairs = "&".join(f"{key}={quote(qualifiers[key], safe=':')}" for key in sorted(qualifiers))
    return f"pkg:{kind}/{names}{at}" + (f"?{pairs}" if pairs else "")


def hashes(sha256: str) -> list[dict[str, str]]:
    """A digest as CycloneDX has it."""
    return [{"alg": "SHA-256", "content": sha256}]


def parse_license(text: str) -> tuple[dict[str, Any], ...]:
    """What somebody declares as a license: an SPDX expression, or a name that is none; nothing for a text."""
    first, _, more = text.strip().partition("\n")
    try:
        expression = canonicalize_license_expression(text.strip())
    except InvalidLicenseExpression:
        titled = not more or "licen" in first.lower()
        if not first or not titled or len(first) > _LONGEST_NAME:
            return ()
        return ({"license": {"name": first.strip(), "acknowledgement": "declared"}},)
    return ({"expression": expression, "acknowledgement": "declared"},)


def known_license(libraries: Iterable[str]) -> tuple[dict[str, Any], ...]:
    """The license of libraries that are known by their names, such as libgfortran; nothing if one is not."""
    found = {_KNOWN.get(_BUNDLED.sub("", library.partition(".")[0].lower())) for library in libraries}
    if None in found or not found:
        return ()
    expression = " AND ".join(sorted(each for each in found if each))
    return ({"expression": expression, "acknowledgement": "concluded"},)
