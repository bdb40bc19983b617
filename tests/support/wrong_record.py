"""A build whose backend joins the columns of RECORD by commas, and the error that it ends with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.index import Index
from support.packages import make_sdist, tinyleaf
from support.tiny import LEAF, run_farm, tiny_farm
from wheelfarm.errors import RepairError


def check_the_error_of_a_build(root: Path, index: Index, **words: Any) -> None:
    """The backend of tinyleaf joins the columns of RECORD by commas."""
    own = Index(root / "index")
    own.add(*(path for path in (index.root / "files").iterdir() if "tinyleaf" not in path.name))
    files = tinyleaf()
    project = files["pyproject.toml"].replace("setuptools.build_meta", "direct_backend")
    files["pyproject.toml"] = project.replace("[build-system]\n", '[build-system]\nbackend-path = ["."]\n')
    files["direct_backend.py"] = Path(__file__).with_name("direct_backend.py").read_text()
    own.add(make_sdist(root, "tinyleaf", {**files, "tinyleaf/a,b.txt": "1,2\n"}))
    error = run_farm(tiny_farm(root / "farm", own, LEAF, **words)).error("tinyleaf")
    assert isinstance(error, RepairError)
    assert str(error.why).startswith("direct 1 writes a wrong RECORD\nerror: RECORD of tinyleaf-1.0-cp311-")
    assert "'tinyleaf/a,b.txt,sha256=" in str(error.why)
    assert "has 4 columns, not path, hash and size; tinyleaf/a,b.txt needs quotes" in str(error.why)
    assert "patch-a-source.md" in str(error.hint)
