"""Readers of the files of a farm and of what programs leave: recipes, settings, locks, records, logs."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Final

from fuzz.scratch import scratch, written
from support.farm import LINUX, LOCK, make_farm
from support.logs import FAILED_LOGS
from support.records import sample_record
from support.store import tiny_wheel
from wheelfarm.build.diagnosis import classify
from wheelfarm.ci.selection import JobResults, load_selection
from wheelfarm.ci.workflow_file import read_pins
from wheelfarm.cli.farm_files import FarmFiles
from wheelfarm.cli.sessions import read_summaries
from wheelfarm.cli.stamp import Stamp
from wheelfarm.errors import ProcessError
from wheelfarm.index.client import find_credentials
from wheelfarm.model import Digest, Target, sha256_of_bytes
from wheelfarm.provenance.attestation import Attestation, verify_attestation
from wheelfarm.provenance.record import Record, RecordedWheel
from wheelfarm.recipes.locks import applicable, parse_lock
from wheelfarm.recipes.recipe_set import read_recipes
from wheelfarm.recipes.settings import load
from wheelfarm.run.bundle import FARM, Bundle, BundledWheel, Manifest, write_bundle
from wheelfarm.run.bundle_reader import unpacked_bundle
from wheelfarm.run.estimates import DURATIONS
from wheelfarm.sources.cache import Cache
from wheelfarm.system.files import RememberedValues
from wheelfarm.system.process import Command, Output
from wheelfarm.wheelhouse.artifacts import find_artifacts
from wheelfarm.wheelhouse.layout import DescribedWheel

if TYPE_CHECKING:
    from wheelfarm.recipes.settings import Settings

_TARGET: Final = Target.parse(LINUX)
_RECIPE: Final = b"""\
name = "alpha"
version = "1.0"
summary = "a package"
compilers = ["c", "fortran"]
python = ">=3.11"
targets."*win*".config-settings = { setup-args = ["-Da=b"] }
[source]
kind = "sdist"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
[requires]
host = []
run = []
[build-requires]
add = ["cython>=3"]
replace = { setuptools = "setuptools<81" }
loosen = ["meson"]
[config-settings]
setup-args = ["-Dblas=openblas"]
[environment]
A = "b $c"
[system-packages]
apt = ["libhdf5-dev"]
[variants.netlib]
environment = { A = "c" }
[splits.tests]
files = ["*/tests/*"]
[expect]
extensions = true
files = { present = ["a/*"], absent = [] }
[test]
imports = ["alpha"]
[test.suite]
args = ["--pyargs", "alpha"]
"""
_SETTINGS: Final = b"""\
[tool.wheelfarm]
variant = "plain"
pythons = ["3.11"]
memory = "4G"
[tool.wheelfarm.variants.plain]
provider = "none"
[tool.wheelfarm.defaults]
environment = { A = "b" }
[tool.wheelfarm.index.internal]
kind = "static"
url = "index"
variants = { plain = "p" }
[tool.wheelfarm.ci]
platforms = ["linux-x86_64"]
"""
_WORKFLOW: Final = b"""\
on: push
jobs:
  a:
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
      - uses: docker://a@sha256:0000000000000000000000000000000000000000000000000000000000000000
"""
_NEEDS: Final = b'{"plan": {"result": "success", "outputs": {"jobs": "{}"}}, "build": {"result": "failure"}}'


@cache
def _farm() -> Settings:
    return make_farm(scratch() / "farm")


def _recipe(data: bytes) -> None:
    settings = _farm()
    (settings.recipes / "alpha" / "recipe.toml").write_bytes(data)
    recipes = read_recipes(settings)
    recipes.check()
    read_summaries(settings.recipes)
    recipe = recipes.find("alpha")
    recipe.resolve(variant=settings.variant, target=_TARGET)
    recipe.series(variant=settings.variant, target=_TARGET)


def _settings(data: bytes) -> None:
    root = written("settings/pyproject.toml", data).parent
    assert FarmFiles(root).variants
    load(root, environ={"HOME": str(root)})


def _lock(data: bytes) -> None:
    applicable(parse_lock(written("build.lock", data)), _TARGET)


def _record(data: bytes) -> None:
    DescribedWheel.read(data, "x")
    Record.from_json(data, "x")


def _attestation(kind: str, data: bytes) -> None:
    wheel = tiny_wheel(scratch(), "demo")
    texts = {"record": sample_record().to_json(), "statement": "", kind: data.decode("utf-8", "replace")}
    verify_attestation(wheel, Digest("0" * 64), Attestation(**texts))


def _manifest(data: bytes) -> None:
    list(find_artifacts(written("artifact/manifest.json", data).parent))


def _remembered(data: bytes) -> None:
    values = RememberedValues(written("values.json", data), DURATIONS)
    assert all(0 <= value.seconds < float("inf") for value in values.read().values())


def _cache(data: bytes) -> None:
    cache = Cache(scratch() / "cache")
    question = {"a": "b"}
    path = cache._answer(question)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    cache.recall(question)


def _needs(data: bytes) -> None:
    needs = JobResults.parse(data.decode("utf-8", "replace"))
    assert isinstance(needs.failed, list)
    load_selection((), needs.output("plan", "jobs"))


def _netrc(data: bytes) -> None:
    path = written("netrc", data)
    find_credentials("https://index.invalid/", {"NETRC": str(path)}, {"PATH": ""})


def _log(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    classify(ProcessError("it failed", why=text[-2000:]), text, "build")


def _output(data: bytes) -> None:
    output = Output(Command(argv=("x",), env={}, secrets=("secret",)), None, lambda _line: None)
    for start in range(0, len(data), 1000):
        output.feed(data[start : start + 1000])
    output.feed(b"", final=True)
    output.last_lines()


def _bundle(data: bytes) -> None:
    with unpacked_bundle(written("bundle.tar", data), scratch() / "unpacked") as found:
        list(found.of("inputs"))


def _sample_bundle() -> bytes:
    """A bundle of a wheel with its record, a source and a farm."""
    content = b"a wheel"
    sha256, filename = sha256_of_bytes(content), sample_record().wheel.filename
    own = RecordedWheel(filename=filename, sha256=sha256, size=len(content), built_sha256=None)
    record, wheel = sample_record(wheel=own), f"wheels/{sha256}/{filename}"
    texts = {
        FARM: b"a farm",
        "inputs/0/source.tar.gz": b"a source",
        "records/one.json": record.to_json().encode(),
        wheel: content,
    }
    files = {name: sha256_of_bytes(text) for name, text in texts.items()}
    bundled = BundledWheel(wheel=wheel, sha256=sha256, key=record.key, record="records/one.json")
    manifest = Manifest(variant="plain", builds=(), wheels=(bundled,), answers=(), files=files)
    path = scratch() / "sample.tar"
    write_bundle(Bundle(manifest=manifest, texts=texts), path)
    return path.read_bytes()


TARGETS: Final = {
    "bundle": _bundle,
    "recipe": _recipe,
    "settings": _settings,
    "lock": _lock,
    "record": _record,
    "attestation-record": partial(_attestation, "record"),
    "attestation-statement": partial(_attestation, "statement"),
    "artifact-manifest": _manifest,
    "remembered-values": _remembered,
    "cache-answer": _cache,
    "stamp": lambda data: Stamp.read(written("stamp.json", data)),
    "workflow": lambda data: read_pins({"x": data.decode("utf-8", "replace")}),
    "ci-needs": _needs,
    "netrc": _netrc,
    "build-log": _log,
    "program-output": _output,
}
_RECORD: Final = sample_record().to_json().encode()
SEEDS: Final[dict[str, list[bytes]]] = {
    "bundle": [_sample_bundle()],
    "recipe": [_RECIPE],
    "settings": [_SETTINGS],
    "lock": [
        LOCK.encode(),
        b"a==1.0 ; python_version < '3.12' \\\n  --hash=sha256:" + b"0" * 64 + b"  # x\n",
    ],
    "record": [_RECORD],
    "attestation-record": [_RECORD],
    "attestation-statement": [b'{"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "a"}]}'],
    "artifact-manifest": [b'{"name": "a", "files": {"b/c": "' + b"0" * 64 + b'"}}'],
    "remembered-values": [b'{"a": 1.5, "b": 2}'],
    "cache-answer": [b'{"question": {"a": "b"}, "sha256": "' + b"0" * 64 + b'"}'],
    "stamp": [b'{"files": {"a": [1, 2]}, "environment": "e", "commands": {"a": "b"}, "lines": ["x"]}'],
    "workflow": [_WORKFLOW],
    "ci-needs": [_NEEDS],
    "netrc": [b"machine index.invalid login a password b\nmacdef x\n  y\n\ndefault login c password d\n"],
    "build-log": [path.read_bytes() for path in sorted(FAILED_LOGS.iterdir()) if path.is_file()],
    "program-output": [b"a line\nprogress 1 %\rprogress 2 %\r\nsecret\n\xc3\xa9\n"],
}
