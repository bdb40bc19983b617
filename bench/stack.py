"""Compares the speed and the size of wheels of numpy, scipy, pandas and scikit-learn with the public ones.

The default variant's stored wheels are compared where neither --variant nor --wheels says which. Each side
has an environment of its own; in all of them an operation is timed in turn. A ratio above 1 is faster.
Nothing fails for slowness. A result that differs from that of the public wheels is an error.
"""

from __future__ import annotations

import argparse
import ast
import datetime as dt
import json
import signal
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "src")]

from comparison import document, lines, ratios  # noqa: E402
from picture import draw  # noqa: E402
from sides import REQUIRED, Side, Sides  # noqa: E402
from timing import QUICK, THOROUGH, Stopwatch, processors, unset_variables  # noqa: E402

from wheelfarm.errors import FarmError, UsageError  # noqa: E402
from wheelfarm.model import parse_name  # noqa: E402
from wheelfarm.recipes.settings import load  # noqa: E402
from wheelfarm.run.farm import Farm  # noqa: E402
from wheelfarm.system.machine import processor  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTPUT: Final = ROOT / ".wheelfarm" / "bench-stack.json"


def known_operations() -> list[str]:
    """The names of all operations, read from the source: the packages are not installed here."""
    found = []
    for package in REQUIRED:
        source = ROOT / "bench" / "operations" / f"of_{package}.py"
        functions = ast.parse(source.read_text(encoding="utf-8")).body
        found.append(f"{package}.import")
        found += [
            f"{package}.{each.name}"
            for each in functions
            if isinstance(each, ast.FunctionDef) and each.decorator_list
        ]
    return found


def select_operations(patterns: Sequence[str]) -> list[str]:
    """The operations whose names match; all without a pattern.

    Raises:
        UsageError: when a pattern matches none.
    """
    known = known_operations()
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            hint = f"names are such as {known[1]}; * and ? match parts of them"
            raise UsageError(f"no operation matches {pattern!r}", where="--operations", hint=hint)
    return [name for name in known if not patterns or any(fnmatchcase(name, each) for each in patterns)]


def find_sides(arguments: argparse.Namespace, farm: Farm, operations: Sequence[str]) -> list[Side]:
    """The side that others are compared with, and the others."""
    packages = {name.partition(".")[0] for name in operations}
    names = {parse_name(each) for package in sorted(packages) for each in REQUIRED[package]}
    sides = Sides(farm, sorted(names))
    variants = arguments.variant or ([] if arguments.wheels else [farm.settings.variant])
    others = [*map(sides.variant, variants), *map(sides.directory, arguments.wheels)]
    first = sides.public(others[0]) if arguments.baseline is None else sides.directory(arguments.baseline)
    for side in others:
        for name in names:
            if side.versions()[name] != first.versions()[name]:
                texts = [f"{each.label} has {name} {each.versions()[name]}" for each in (first, side)]
                raise UsageError(", ".join(texts), hint="compare wheels of one version")
    if arguments.against_itself:
        others.append(replace(first, label=f"{first.label} again"))
    for label, count in Counter(side.label for side in (first, *others)).items():
        if count > 1:
            raise UsageError(f"{label} is named twice", hint="name each variant and directory once")
    return [first, *others]


def thread_counts(text: str | None) -> list[int]:
    """The numbers of threads: those of the option, or 1 and all processors."""
    counts = [each.strip() for each in text.split(",")] if text else ["1", str(processors())]
    if not all(each.isdecimal() and int(each) for each in counts):
        raise UsageError(f"{text!r} are no numbers of threads", where="--threads", hint="such as 1,4")
    return sorted({int(each) for each in counts})


def processor_name() -> str:
    """The processor, as the system calls it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return processor().partition("; flags")[0]


def arguments_of(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="nox -s bench-stack --", description=__doc__)
    add = parser.add_argument
    add(
        "--variant",
        action="append",
        default=[],
        help="a variant whose stored wheels are compared; repeatable",
    )
    add("--wheels", action="append", default=[], type=Path, help="a directory of wheels; repeatable")
    add("--baseline", type=Path, help="a directory of wheels to compare with, in place of the public wheels")
    add(
        "--against-itself",
        action="store_true",
        help="compare the public wheels with themselves too: the noise",
    )
    add("--operations", action="append", default=[], help="a pattern of names, such as 'scipy.*'; repeatable")
    add("--list", action="store_true", help="print the names of the operations, and end")
    add("--threads", help="numbers of threads, separated by commas; 1 and all processors by default")
    add("--python", help="a feature version, such as 3.11")
    add("--quick", action="store_true", help="fewer and shorter turns: about a minute")
    add("--json", type=Path, default=OUTPUT, help="the file for all numbers")
    add("--picture", type=Path, help="the file for a picture (SVG)")
    return parser.parse_args(words)


def compare(arguments: argparse.Namespace) -> bool:
    """Measure, show and write; whether there was no error."""
    if arguments.list:
        print("\n".join(select_operations(arguments.operations)))
        return True
    farm = Farm(settings=load(ROOT, options={"pythons": arguments.python}))
    operations = select_operations(arguments.operations)
    counts = thread_counts(arguments.threads)
    sides = find_sides(arguments, farm, operations)
    effort = QUICK if arguments.quick else THOROUGH
    measured, code = [], {}
    with tempfile.TemporaryDirectory(prefix="wheelfarm-bench-") as scratch:
        pythons = {side.label: side.make(Path(scratch) / str(n), farm) for n, side in enumerate(sides)}
        stopwatch = Stopwatch(
            pythons=pythons,
            operations=operations,
            environ=farm.settings.environ,
            effort=effort,
            progress=lambda text: print(text, file=sys.stderr),
        )
        for threads in counts:
            found, code[threads] = stopwatch.run(threads)
            measured += found
    data = document(
        ratios(measured, list(pythons)),
        [
            {
                "label": side.label,
                "versions": side.versions(),
                "wheels": {each.path.name: each.sha256 for each in side.wheels},
                "sizes": side.sizes(),
                "code": {str(n): by_side[side.label] for n, by_side in code.items() if side.label in by_side},
            }
            for side in sides
        ],
        processor=processor_name(),
        cpus=processors(),
        python=str(sides[0].target.python),
        date=dt.datetime.now(tz=dt.UTC).date().isoformat(),
        threads=counts,
        unset=unset_variables(farm.settings.environ),
        **{"against-itself": [f"{sides[0].label} again"]},
    )
    print("\n".join(lines(data)))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    picture = arguments.picture or arguments.json.with_suffix(".svg")
    picture.write_text(draw(data), encoding="utf-8")
    print(f"\n{arguments.json}, {picture}")
    return not any(each["error"] for each in data["operations"])


def main() -> None:
    """Compare; errors end with their exit code."""
    # As Ctrl-C, so that the environments and workers do not stay.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(0 if compare(arguments_of()) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except FarmError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)


if __name__ == "__main__":
    main()
