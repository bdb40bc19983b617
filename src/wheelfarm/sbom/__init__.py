"""The software bill of materials that every wheel of the farm carries (CycloneDX 1.6, PEP 770).

It tells the package with its source and patches, the libraries that the repair tool put into the wheel with
the packages that they come from, and what the wheel was built with. The licence texts of those libraries go
into the wheel beside it. All is told from what was verified; the same build makes the same bytes.
"""

from __future__ import annotations

from wheelfarm.sbom.enclosing import enclose
from wheelfarm.sbom.reading import MEMBER, check_sbom, components

__all__ = ["MEMBER", "check_sbom", "components", "enclose"]
