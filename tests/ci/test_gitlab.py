"""The pipeline for GitLab: exact edges between matrix entries, and GitLab's own schema."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from support.workflows import jobs_of, load_yaml, workflow_farm
from wheelfarm.ci.gitlab import render_gitlab

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings


def _text(settings: Settings) -> str:
    return render_gitlab(tuple(jobs_of(settings).values()), settings)


def _publishing(root: Path) -> Settings:
    index = {"kind": "static", "url": "out", "targets": ["cp311-manylinux_x86_64"]}
    return workflow_farm(root, ci={"publish": {"index": "internal"}}, index={"internal": index})


def test_an_entry_needs_the_entries_whose_wheels_it_uses(tmp_path: Path) -> None:
    jobs = load_yaml(_text(workflow_farm(tmp_path, ci={"runners": {"macos-arm64": "mini"}})))
    scipy = jobs["scipy-linux-x86_64-netlib-3.13"]
    assert scipy["needs"] == ["numpy-linux-x86_64-netlib-3.13"]
    assert scipy["script"] == [
        "nox -s ci-build -- scipy --platform linux-x86_64 --variant netlib --python 3.13"
    ]
    assert scipy["tags"] == ["linux-x86_64"]
    assert jobs["scipy-macos-arm64-plain-3.11"]["tags"] == ["mini"]
    assert jobs["alone-linux-x86_64-plain-3.11"]["needs"] == []
    builds = {
        name: job for name, job in jobs.items() if isinstance(job, dict) and job.get("stage") == "build"
    }
    assert {up for job in builds.values() for up in job["needs"]} <= builds.keys()
    assert "scipy-macos-arm64-netlib-3.11" not in builds
    assert "publish" not in jobs


def test_a_person_starts_publishing_on_the_branch_of_full_runs(tmp_path: Path) -> None:
    publish = load_yaml(_text(_publishing(tmp_path)))["publish"]
    assert publish["rules"] == [{"if": '$CI_COMMIT_BRANCH == "main" || $CI_COMMIT_TAG', "when": "manual"}]
    assert publish["script"] == ["nox -s ci-collect", "nox -s ci-publish -- --index internal"]
    assert publish["environment"]["name"] == "publish"
    assert "needs" not in publish
    # Sigstore looks for the job's identity there.
    assert publish["id_tokens"] == {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}}


def test_the_pipeline_fits_gitlabs_schema(tmp_path: Path) -> None:
    text = _text(_publishing(tmp_path / "farm"))
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text(text, encoding="utf-8")
    bad.write_text(text.replace("stage: build", "stages: build", 1), encoding="utf-8")
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci"]
    done = subprocess.run([*words, str(good), str(bad)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "bad.yml" in done.stdout
    assert "good.yml" not in done.stdout
