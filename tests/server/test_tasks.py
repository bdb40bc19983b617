"""The tasks of publishing, as one types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support.publishing import publishing_farm, stock, store
from wheelfarm.errors import UsageError


def inv(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
    }
    (root / "tasks.py").write_text(
        "from wheelfarm.cli.program import collection\n\nnamespace = collection()\n"
    )
    argv = [sys.executable, "-m", "invoke", *words]
    return subprocess.run(argv, cwd=root, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_publish_status_yank_prune_and_config(tmp_path: Path) -> None:
    root = tmp_path / "farm"
    farm = publishing_farm(root, {"kind": "static", "url": "public"})
    stock(farm.wheelhouse)
    dry = inv(root, "index.publish", "beta", "--dry-run")
    assert dry.stdout.splitlines()[0] == "4 to upload"
    assert not (root / "public").exists()
    done = inv(root, "index.publish", "all", "--json")
    assert {each["state"] for each in json.loads(done.stdout)} == {"to upload"}
    assert "4 published, and internal lists them" in done.stderr
    rows = json.loads(inv(root, "index.status", "all", "--json").stdout)
    assert {(each["variant"], each["state"]) for each in rows} == {("plain", "same")}
    table = inv(root, "index.status", "alpha").stdout.splitlines()
    assert table[0] == "variant plain: 2 same"
    assert table[1].split() == ["package", "version", "target", "wheelhouse", "index", "state"]
    yanked = inv(root, "index.yank", "alpha==1.0", "--index", "internal", "--reason", "broken")
    assert yanked.stdout.count("yanked: alpha-1.0-") == 2
    assert '"yanked": "broken"' in (root / "public/plain/simple/alpha/index.json").read_text()
    assert inv(root, "index.yank", "alpha==7").returncode == UsageError.exit_code
    store(farm.wheelhouse, "alpha", content="again")
    store(farm.wheelhouse, "alpha", target="cp312-manylinux_x86_64", content="again")
    assert inv(root, "index.publish", "all").returncode == 0
    shown = inv(root, "index.prune", "all", "--keep", "1")
    assert shown.stdout.count("alpha-1.0-1_") == 2
    assert len(list((root / "public").rglob("alpha*.whl"))) == 4
    inv(root, "index.prune", "all", "--keep", "1", "--yes")
    assert len(list((root / "public").rglob("alpha*.whl"))) == 2
    config = inv(root, "index.config", "uv", "beta")
    assert 'alpha = { index = "internal" }' in config.stdout
    assert (root / "public/plain/simple").as_uri() in config.stdout
    assert inv(root, "index.config", "uvv", "all").returncode == UsageError.exit_code
    assert inv(root, "index.prune", "all", "--keep", "0").returncode == UsageError.exit_code


def test_serve_until_it_is_interrupted(tmp_path: Path) -> None:
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "public"})
    stock(farm.wheelhouse)
    refused = inv(tmp_path / "farm", "index.serve", "--host", "192.0.2.1")
    assert refused.returncode == UsageError.exit_code
    assert "pypi-server run" in refused.stderr
