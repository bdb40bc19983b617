"""Runs readers on mutations of real inputs: an exception other than a FarmError is a failure, as is a hang.

Usage: python tests/fuzz/run.py [--seconds N | --total N] [--seed N] [--only NAME,NAME] [--save DIRECTORY]
       python tests/fuzz/run.py --only NAME --input FILE

A module `targets_*.py` has `TARGETS`, functions that take the bytes of an input, and `SEEDS`, sound inputs,
both by the name of the reader. Inputs that fail are saved.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib
import logging
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

HERE: Final = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "src")]

from fuzz.mutation import mutate  # noqa: E402
from wheelfarm.errors import FarmError  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Target = Callable[[bytes], object]

_STEP: Final = 5.0
"""Seconds of the processor that a reader may take for one input."""
_MEMORY: Final = 6 * 1024**3
_MOST: Final = 20
"""Different failures of a reader that are reported."""


class _TooSlowError(BaseException):
    """A reader takes longer than a step may; no reader catches it."""


def _stop(_number: int, _frame: object) -> NoReturn:
    raise _TooSlowError


def load() -> tuple[dict[str, Target], dict[str, list[bytes]]]:
    """The readers and their seeds, of all modules."""
    targets: dict[str, Target] = {}
    seeds: dict[str, list[bytes]] = {}
    for path in sorted(HERE.glob("targets_*.py")):
        module: Any = importlib.import_module(f"fuzz.{path.stem}")
        targets |= module.TARGETS
        seeds |= module.SEEDS
    return targets, seeds


def run_step(target: Target, data: bytes) -> BaseException | None:
    """What a reader raises for an input, unless it is allowed to."""
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, _STEP)
    try:
        target(data)
    except FarmError:
        return None
    except BaseException as error:  # noqa: BLE001 - that is what this looks for
        return error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return None


def _where(error: BaseException) -> str:
    """The class of an exception, and the last line of the farm or else of all that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/wheelfarm/" in frame.filename] or frames
    return f"{type(error).__name__} at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else repr(error)


def fuzz(  # noqa: PLR0917 - a process gets them
    name: str, target: Target, seeds: Sequence[bytes], seconds: float, seed: int, save: Path
) -> int:
    """Run a reader for some seconds in this process; the number of different failures."""
    warnings.simplefilter("ignore")
    logging.disable()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    gc.freeze()  # a reader that collects garbage goes through its own objects only
    chance = random.Random(f"{seed} {name}")  # noqa: S311 - not for secrets
    current = os.open(save / f"{name}.current", os.O_RDWR | os.O_CREAT)
    failures: dict[str, Path] = {}
    steps, until = 0, time.monotonic() + seconds
    for data in seeds:
        if (error := run_step(target, data)) is not None:
            raise AssertionError(f"{name}: a seed fails") from error
    while time.monotonic() < until and len(failures) < _MOST:
        data = mutate(seeds, chance)
        # A crash of native code leaves the input here.
        os.ftruncate(current, 0)
        os.pwrite(current, data, 0)
        steps += 1
        error = run_step(target, data)
        if error is not None and (where := _where(error)) not in failures:
            failures[where] = save / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
            failures[where].write_bytes(data)
            print(f"{name}: {where}: {str(error)[:200]!r}: {failures[where]}", flush=True)
    print(f"{name}: {steps} inputs, {len(failures)} failures", flush=True)
    os.close(current)
    (save / f"{name}.current").unlink()
    return len(failures)


def _child(*words: Any) -> NoReturn:
    code = 1
    try:
        code = min(fuzz(*words), 100)
    except BaseException:  # noqa: BLE001 - the parent's finalizers are not for this process
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)


def main(words: Sequence[str] | None = None) -> int:
    """Run the readers one after another; the exit code is 1 when one of them failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, help="for each reader; 10 by default")
    parser.add_argument("--total", type=float, help="seconds for all readers together")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--only", help="names of readers, separated by commas")
    parser.add_argument("--input", type=Path, help="one input, for the one reader")
    parser.add_argument("--save", type=Path, default=HERE.parents[1] / ".nox" / "fuzz")
    options = parser.parse_args(words)
    targets, seeds = load()
    names = options.only.split(",") if options.only else sorted(targets)
    if options.input:
        targets[names[0]](options.input.read_bytes())
        return 0
    seconds = options.seconds or (options.total / len(names) if options.total else 10)
    options.save.mkdir(parents=True, exist_ok=True)
    print(f"{len(names)} readers, {seconds:g} s each, --seed {options.seed}", flush=True)
    failed = []
    for name in names:
        process = multiprocessing.get_context("fork").Process(
            target=_child, args=(name, targets[name], seeds[name], seconds, options.seed, options.save)
        )
        process.start()
        process.join(seconds + 60)
        if process.is_alive():
            process.kill()
            process.join()
        if process.exitcode:
            failed.append(name)
        if process.exitcode and process.exitcode < 0:
            saved = options.save / f"{name}-crash-{options.seed}"
            with suppress(OSError):
                (options.save / f"{name}.current").replace(saved)
            print(f"{name}: ended by signal {-process.exitcode}: {saved}", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "no failures", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
