"""Examines the public wheels of wheels.toml, and compares what it finds with result.json.

Usage: python tests/public/run.py [--write] [--only GLOB]

Fails when a wheel cannot be read, takes too long, has an error that wheels.toml does not allow, or has other
findings than result.json says. With --write it writes result.json, of which docs/generate.py makes a table.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
import tomllib
from collections import Counter
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
sys.path[:0] = [str(ROOT / "src")]

from wheelfarm.errors import FarmError, WheelError  # noqa: E402
from wheelfarm.gate.examination import check_findings  # noqa: E402
from wheelfarm.gate.expectations import check_architecture  # noqa: E402
from wheelfarm.model import parse_digest, parse_name  # noqa: E402
from wheelfarm.model.wheel_names import parse_wheel_filename  # noqa: E402
from wheelfarm.recipes.settings import load  # noqa: E402
from wheelfarm.run.services import make_fetcher  # noqa: E402
from wheelfarm.wheels import binary_parsers  # noqa: E402, F401 - the forks have imported it
from wheelfarm.wheels.archive import open_wheel, verify  # noqa: E402
from wheelfarm.wheels.dist_info import invalid_fields  # noqa: E402
from wheelfarm.wheels.examination import examine  # noqa: E402
from wheelfarm.wheels.linkage import linkage  # noqa: E402
from wheelfarm.wheels.rules import RULES  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection

    from wheelfarm.sources.fetcher import Fetcher

LIST: Final = HERE / "wheels.toml"
RESULT: Final = HERE / "result.json"
SLOWEST: Final = 5.0
"""Seconds of a processor that the examination of a wheel may take, without the start of its process."""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What the examination of one wheel has found."""

    binaries: int
    errors: Mapping[str, Sequence[str]]
    """By rule: the members, each with the detail."""
    notes: Mapping[str, int]
    """By rule: how many members."""
    size: int
    seconds: float


def examine_in_child(path: Path) -> tuple[Examined, list[str]]:
    """Examine a wheel in a fork of this process, which has imported the reader.

    Raises:
        WheelError: when the wheel cannot be read.
        ChildProcessError: when the reader died of it.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(sender, path))
    child.start()
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError:
        child.join()
        raise ChildProcessError(f"the reader ended with exit code {child.exitcode}") from None
    child.join()
    if isinstance(answer, Exception):
        raise answer
    examined: tuple[Examined, list[str]] = answer
    return examined


def _send(sender: Connection, path: Path) -> None:
    try:
        sender.send(examine_file(path))
    except Exception as error:  # noqa: BLE001 - the parent raises it
        sender.send(WheelError(f"{type(error).__name__}: {error}"))


def examine_file(path: Path) -> tuple[Examined, list[str]]:
    """Examine a wheel as the gate does: its binaries, its members and its core metadata."""
    started = time.process_time()
    wheel = open_wheel(path)
    binaries = linkage(wheel)
    findings = examine(wheel, binaries)
    invalid = invalid_fields(wheel.read(f"{wheel.dist_info}/METADATA"), wheel.dist_info, wheel.names)
    refused = [f"core metadata: {field.field}: {field.why}" for field in invalid]
    seconds = round(time.process_time() - started, 1)
    verify(wheel)
    errors: dict[str, list[str]] = {}
    for each in findings:
        if RULES[each.rule].error:
            errors.setdefault(each.rule, []).append(f"{each.member}: {each.detail}".removesuffix(": "))
    members = {(each.rule, each.member) for each in findings if not RULES[each.rule].error}
    notes = Counter(rule for rule, _ in sorted(members))
    allow = _allowed(path.name)
    checks = (*check_architecture(wheel, binaries), *check_findings(allow, findings))
    refused += [f"{check.result}: {check.cause}" for check in checks if not check.ok]
    examined = Examined(
        binaries=len(binaries), errors=errors, notes=dict(notes), size=path.stat().st_size, seconds=seconds
    )
    return examined, refused


def _allowed(file: str) -> Mapping[str, str]:
    return next((each.get("allow", {}) for each in wheels() if each["file"] == file), {})


def wheels() -> list[dict[str, Any]]:
    """The list."""
    found: list[dict[str, Any]] = tomllib.loads(LIST.read_text(encoding="utf-8"))["wheel"]
    return found


def problems_of(examined: Examined, refused: Sequence[str], known: Mapping[str, Any] | None) -> Iterator[str]:
    """What is wrong with a result."""
    yield from (f"unexpected: {each}" for each in refused)
    if examined.seconds > SLOWEST:
        yield f"takes {examined.seconds} s of the processor, and {SLOWEST:g} at most"
    found = asdict(examined)
    for key in ("binaries", "errors", "notes"):
        if known is not None and known[key] != found[key]:
            yield f"{key}: {found[key]}, and result.json says {known[key]}"


def main(words: Sequence[str]) -> int:
    """Examine all wheels of the list."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="write result.json")
    parser.add_argument("--only", default="*", metavar="GLOB", help="of the file names")
    options = parser.parse_args(words)
    chosen = [each for each in wheels() if fnmatchcase(each["file"], options.only)]
    stored = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    fetcher, found, failed = make_fetcher(load(ROOT)), dict[str, Examined](), 0
    for each in chosen:
        file = each["file"]
        try:
            examined, refused = examine_in_child(_fetch(fetcher, each))
        except (FarmError, ChildProcessError) as error:
            problems = [str(error)]
        else:
            found[file] = examined
            known = None if options.write else stored.get(file, asdict(examined) | {"binaries": "nothing"})
            problems = list(problems_of(examined, refused, known))
            counts = Counter({rule: len(members) for rule, members in examined.errors.items()})
            texts = [f"{rule} {count}" for rule, count in (counts + Counter(examined.notes)).items()]
            print(f"{examined.seconds:4.1f} s  {file}  {', '.join(texts)}".rstrip(), flush=True)
        failed += bool(problems)
        for problem in problems:
            print(f"        {file}: {problem}", file=sys.stderr, flush=True)
    if options.write:
        merged = {each["file"]: stored.get(each["file"]) for each in wheels()}
        merged |= {file: asdict(examined) for file, examined in found.items()}
        text = json.dumps({file: each for file, each in merged.items() if each}, indent=1)
        RESULT.write_text(text + "\n", encoding="utf-8")
    print(f"{len(chosen)} wheels, {failed} with problems")
    return int(failed > 0)


def _fetch(fetcher: Fetcher, wheel: Mapping[str, Any]) -> Path:
    """The file, from the cache or from the index."""
    name, *_ = parse_wheel_filename(wheel["file"])
    return fetcher.file(parse_name(name), wheel["file"], parse_digest(wheel["sha256"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
