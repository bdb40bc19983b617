"""A build that changes its environment, and the interpreter that would report so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.farm import container_variables
from support.packages import tinyleaf
from support.tiny import run_farm, tiny_farm, tiny_index

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.hostile

TAMPER = """\
import hashlib, sys
from pathlib import Path

if "bdist_wheel" in sys.argv:
    import packaging

    changed, python = Path(packaging.__file__), Path(sys.executable)
    before = hashlib.sha256(changed.read_bytes()).hexdigest()
    changed.write_text(changed.read_text() + "# changed")
    after = hashlib.sha256(changed.read_bytes()).hexdigest()
    python.rename(python.with_name("python.real"))
    python.write_text('''#!/bin/sh
"${0%/*}/python.real" "$@" || exit
for word; do case "$word" in */environment.json) sed -i s/AFTER/BEFORE/ "$word";; esac; done
'''.replace("AFTER", after).replace("BEFORE", before))
    python.chmod(0o755)
"""
"""The new interpreter is the old one, but corrects the environment report."""


@pytest.mark.parametrize(
    "engine",
    [pytest.param("host", marks=pytest.mark.slow), pytest.param("cibuildwheel", marks=pytest.mark.engine)],
)
def test_the_report_is_made_from_outside(tmp_path: Path, engine: str) -> None:
    files = tinyleaf()
    files["setup.py"] = f"{TAMPER}\n{files['setup.py']}"
    index = tiny_index(tmp_path / "index", tinyleaf=files)
    farm = tiny_farm(
        tmp_path / "farm",
        index,
        {"tinyleaf": {}},
        settings={"engine": engine},
        environ=container_variables("HOME"),
    )
    run = run_farm(farm)
    error = run.error("tinyleaf")
    assert error.slug == "chain", str(error)
    assert "was not built with the locked wheel of packaging" in error.what
