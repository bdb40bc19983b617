"""Builds whose build keys are published: their wheels are taken; if anything is wrong with them, built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.clones import fresh_clone, publish_all, reloaded, with_index
from support.raised import only
from support.runs import LineListener
from support.servers import Reply, index_server
from support.store import check_tidy
from support.tiny import VARIANT, run_farm
from wheelfarm.errors import PublishError
from wheelfarm.index.client import IndexClient
from wheelfarm.index.storage import Web
from wheelfarm.model import Digest
from wheelfarm.provenance.attestation import sbom_digest, statement
from wheelfarm.provenance.record import Record
from wheelfarm.run.decision import Action, decide, decide_all
from wheelfarm.run.farm import Farm
from wheelfarm.run.reuse import reuse_build
from wheelfarm.run.services import BuildListener, Timings
from wheelfarm.system.machine import native_target
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.slow

DEEP = "[" * 100_000
"""What a parser of JSON gives up on by a RecursionError."""


@pytest.fixture
def filled(chain: Settings, tmp_path: Path) -> Settings:
    """A farm that has published its chain to a static index."""
    with_index(chain, targets=[str(native_target(chain.pythons[0]))], url=str(tmp_path / "public"))
    settings = reloaded(chain)
    publish_all(settings)
    return settings


def clone_of(filled: Settings, tmp_path: Path, **options: str) -> Settings:
    return fresh_clone(filled, tmp_path / "clone", options=options)


def reuse(settings: Settings, name: str = "tinybase") -> tuple[object, list[str]]:
    """The result of reusing one build alone, and the lines about it; nothing is built or stored."""
    listener = LineListener()
    farm = Farm(settings=settings)
    plan = farm.plan(None)
    (build,) = (each for each in plan.builds if each.id.name == name)
    decision = decide(farm.wheelhouse, build, published=farm.published)
    if decision.found is None:
        return None, listener.lines
    services = farm.services(plan, listener)
    reused = reuse_build(
        services,
        build,
        decision.found,
        settings.work / "reused",
        gate=lambda _wheels: {},
        listener=BuildListener(services, build),
        timings=Timings(),
    )
    return reused, listener.lines


def test_a_fresh_clone_reuses_and_stores_all(filled: Settings, tmp_path: Path) -> None:
    clone = clone_of(filled, tmp_path)
    decisions = decide_all(
        Farm(settings=clone).wheelhouse,
        Farm(settings=clone).plan(None),
        published=Farm(settings=clone).published,
    )
    assert [each.action for each in decisions] == [Action.REUSE] * 2
    assert "published in internal: tinybase-1.0-1_" in "; ".join(decisions[0].why)
    run = run_farm(clone)
    assert run.states == {"tinybase": "reused", "tinytop": "reused"}
    check_tidy(clone.wheelhouse, VARIANT)
    for name in run.states:
        other = Farm(settings=filled).wheelhouse.record(VARIANT, run.build(name).key)
        assert run.record(name) == Record.from_json(other, name)
    assert run_farm(clone).states == {"tinybase": "cached", "tinytop": "cached"}
    # Reused wheels can be published in turn, and is what is there.
    publish_all(clone)


@pytest.mark.slow
def test_a_dependent_is_built_on_reused_wheels(filled: Settings, tmp_path: Path) -> None:
    clone = clone_of(filled, tmp_path)
    recipe = clone.recipes / "tinytop" / "recipe.toml"
    recipe.write_text(recipe.read_text() + '\n[environment]\nCFLAGS = "-O1"\n')
    run = run_farm(reloaded(clone))
    assert run.states == {"tinybase": "reused", "tinytop": "built"}
    (upstream,) = run.record("tinytop").upstream
    assert upstream.sha256 == run.record("tinybase").wheel.sha256


@pytest.mark.parametrize("option", [{"remote": "false"}, {"offline": "true"}])
def test_offline_and_no_remote_reuse_nothing(
    filled: Settings, tmp_path: Path, option: dict[str, str]
) -> None:
    result, said = reuse(clone_of(filled, tmp_path, **option))
    assert (result, said) == (None, [])


def test_a_gate_that_has_changed_is_passed_before_anything_is_stored(
    filled: Settings, tmp_path: Path
) -> None:
    clone = clone_of(filled, tmp_path)
    smoke = clone.recipes / "tinybase" / "smoke.py"
    smoke.write_text(smoke.read_text() + "\nprint('once more')\n")
    run = run_farm(clone, "tinybase")
    assert run.states == {"tinybase": "reused"}
    assert run.record("tinybase").gate_key == run.build("tinybase").gate_key
    assert any("once more" in line for line in run.lines) or run.record("tinybase").gate_results


def one(root: Path, pattern: str) -> Path:
    (found,) = root.glob(pattern)
    return found


def record_of(public: Path) -> Path:
    """The published record of tinybase."""
    return one(public, "wheels/*/tinybase-*.record.json")


def other_bytes(public: Path) -> None:
    wheel = one(public, "wheels/*/tinybase-*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\n")


def forge(public: Path, **changes: object) -> None:
    """Change a published record, and the statement with it, so that the two agree."""
    path = record_of(public)
    record = Record.from_json(path.read_text(), "here").model_copy(update=changes)
    wheel = one(public, f"wheels/*/{record.wheel.filename}")
    path.write_text(record.to_json())
    said = statement(record, record.to_json(), sbom_digest(open_wheel(wheel)))
    one(public, "wheels/*/tinybase-*.provenance.json").write_text(said)


def other_variant(public: Path) -> None:
    forge(public, variant="reference")


def no_gate(public: Path) -> None:
    forge(public, gate_results=())


def other_parts(public: Path) -> None:
    forge(public, key_parts={"rules": "0"})


def other_record(public: Path) -> None:
    path = record_of(public)
    path.write_text(path.read_text().replace('"build_cache": false', '"build_cache": true'))


def no_statement(public: Path) -> None:
    one(public, "wheels/*/tinybase-*.provenance.json").unlink()


def no_wheel(public: Path) -> None:
    one(public, "wheels/*/tinybase-*.whl").unlink()


def deep_record(public: Path) -> None:
    record_of(public).write_text(DEEP)


def deep_statement(public: Path) -> None:
    one(public, "wheels/*/tinybase-*.provenance.json").write_text(DEEP)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (other_bytes, "has other bytes than index internal lists"),
        (other_variant, "another variant"),
        (other_record, "predicate.runDetails.byproducts[0].digest.sha256 is"),
        (no_gate, "no results of the gate"),
        (no_statement, "provenance statement"),
        (no_wheel, "listed and not there"),
        (other_parts, "another key_parts"),
        (deep_record, "nested too deeply"),
        (deep_statement, "nested too deeply"),
    ],
)
def test_a_lie_means_a_warning_and_a_build(
    filled: Settings, tmp_path: Path, harm: Callable[[Path], None], expected: str
) -> None:
    harm(tmp_path / "public")
    result, said = reuse(clone_of(filled, tmp_path))
    assert result is None
    assert any(line.startswith("warning: tinybase") for line in said)
    assert expected in "\n".join(said)


def test_a_wheel_without_an_attestation_goes_through_the_gate(filled: Settings, tmp_path: Path) -> None:
    for path in (tmp_path / "public").rglob("*.record.json"):
        path.unlink()
    clone = clone_of(filled, tmp_path)
    run = run_farm(clone)
    assert run.states == {"tinybase": "reused", "tinytop": "reused"}
    stored = Record.from_json(
        Farm(settings=filled).wheelhouse.record(VARIANT, run.build("tinytop").key), "tinytop"
    )
    record = run.record("tinytop")
    assert record.wheel.sha256 == stored.wheel.sha256
    assert record.gate_results
    assert (record.inputs, record.upstream) == (stored.inputs, stored.upstream)
    assert not record.from_nothing


@pytest.mark.slow
def test_a_lie_ends_in_a_build_and_a_whole_wheelhouse(filled: Settings, tmp_path: Path) -> None:
    other_bytes(tmp_path / "public")
    clone = clone_of(filled, tmp_path)
    run = run_farm(clone, "tinybase")
    assert run.states == {"tinybase": "built"}
    assert any("not reused from index internal" in line for line in run.lines)
    check_tidy(clone.wheelhouse, VARIANT)


@pytest.mark.parametrize("answer", [Reply(b"", status=503), Reply(b"<html>"), Reply(DEEP.encode()), None])
def test_an_index_that_cannot_be_used_is_reported_once(
    filled: Settings, tmp_path: Path, answer: Reply | None, messages: list[str]
) -> None:
    with index_server() as server:
        base = f"http://{server.host}/"
        for path in ("/simple/tinybase/index.json", "/simple/tinytop/index.json"):
            server.replies[path] += [answer] * 9 if answer else []
        if answer is None:
            base = "http://127.0.0.1:9/"
        root = filled.root / "pyproject.toml"
        root.write_text(root.read_text() + f'read-url = "{base}"\n')
        clone = clone_of(reloaded(filled), tmp_path)
        farm = Farm(settings=clone)
        actions = [
            each.action for each in decide_all(farm.wheelhouse, farm.plan(None), published=farm.published)
        ]
        assert actions == [Action.BUILD] * 2
    assert sum(line.startswith("warning: no wheels are reused from index internal") for line in messages) == 1


def test_a_static_index_is_read_over_http(filled: Settings, tmp_path: Path) -> None:
    public = tmp_path / "public"
    with index_server() as server:
        for path in public.rglob("*"):
            if path.is_file():
                server.replies[f"/{path.relative_to(public)}"] += [Reply(path.read_bytes())] * 9
        root = filled.root / "pyproject.toml"
        root.write_text(root.read_text() + f'read-url = "http://{server.host}/"\n')
        result, said = reuse(clone_of(reloaded(filled), tmp_path))
    assert result is not None, said


def test_a_release_takes_nothing_that_a_compiler_cache_went_into(filled: Settings, tmp_path: Path) -> None:
    forge(tmp_path / "public", build_cache=True)
    result, said = reuse(clone_of(filled, tmp_path, release="true"))
    assert result is None
    assert "a release is built from nothing" in "\n".join(said)


def test_what_a_web_server_hands_out_is_only_read(tmp_path: Path) -> None:
    with index_server() as server:
        server.replies["/a%20b"] += [Reply(b"bytes")] * 2
        web = Web(IndexClient(index_url=f"http://{server.host}/", tries=1))
        assert (web.read("a b"), web.size("a b")) == (b"bytes", 5)
        assert (web.read("lost"), web.size("lost")) == (None, None)
        for write in (
            lambda: web.write("a", b""),
            lambda: web.put(tmp_path, "a", Digest("")),
            lambda: web.remove("a"),
            web.locked,
        ):
            only(write, PublishError)
