"""Times operations in two or more environments in turn, each in a process of its own that stays alive."""

from __future__ import annotations

import json
import math
import os
import select
import subprocess
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from wheelfarm.system.endings import describe_ending
from wheelfarm.system.environment import system_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

WORKER: Final = Path(__file__).parent / "operations" / "worker.py"
TIME_LIMIT: Final = 120.0
"""Seconds for one answer; the slowest operation takes less than one."""
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
TUNING: Final = (
    "OPENBLAS_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "BLIS_",
    "NPY_",
    "LD_",
    "MALLOC_",
    "GLIBC_TUNABLES",
)
"""Beginnings of the names of variables that change what runs: no worker has them."""
KEEP_MEMORY: Final = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
"""glibc gives memory back to the kernel, or not, for reasons that no wheel has: what else lies behind it.
An operation that gets it again takes up to eight times as long. So it keeps all, but for single pieces above
the most that mallopt(3) lets one set, 32 MiB."""
ALIGNMENT: Final = 16
"""Bytes to which glibc aligns; a vector instruction is slower where it meets the end of a cache line."""
# What `import scipy` and `import sklearn` leave for later is imported too.
IMPORTED: Final = {
    "numpy": "numpy",
    "scipy": "scipy.linalg, scipy.optimize, scipy.stats",
    "pandas": "pandas",
    "sklearn": "sklearn.ensemble, sklearn.linear_model",
}
IMPORT: Final = """\
import time
began = time.process_time()
import {0}
seconds = time.process_time() - began
import {1} as package
print(seconds, package.__version__)
"""


class WorkerError(Exception):
    """A worker gives no answer; the text says why."""


def unset_variables(environ: Mapping[str, str]) -> list[str]:
    """The variables, with their values, that the workers do not get although they are set here."""
    return [f"{name}={value}" for name, value in sorted(environ.items()) if name.startswith(TUNING)]


def worker_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """The environment of workers, with so many threads."""
    env = {name: value for name, value in system_environment(environ).items() if not name.startswith(TUNING)}
    return env | KEEP_MEMORY | {"PYTHONHASHSEED": "0"} | dict.fromkeys(THREADS, str(threads))


@dataclass
class Worker:
    """A process in an environment; it is started anew when it has ended."""

    python: Path
    packages: Sequence[str]
    env: Mapping[str, str]
    _process: subprocess.Popen[str] | None = None
    _errors: IO[str] | None = None

    def load(self) -> dict[str, Any]:
        """Start it; which libraries and code run."""
        self.close()
        words = [str(self.python), "-W", "ignore", "-P", str(WORKER), *self.packages]
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            words, env=self.env, stdin=pipe, stdout=pipe, stderr=self._errors, text=True, cwd=WORKER.parent
        )
        return self._ask(do="load")

    def ask(self, **request: object) -> dict[str, Any]:
        """Its answer.

        Raises:
            WorkerError: when it ends, fails or takes too long.
        """
        if self._process is None:
            self.load()
        return self._ask(**request)

    def _ask(self, **request: object) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise WorkerError("the process has ended")
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], TIME_LIMIT)
        except BrokenPipeError:
            ready = [process.stdout]
        line = process.stdout.readline() if ready else ""
        if not line:
            raise WorkerError(self._ending(late=not ready))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _ending(self, *, late: bool) -> str:
        process, self._process = self._process, None
        if process is None or self._errors is None:
            return "the process has ended"
        if late:
            process.kill()
        code = process.wait()
        self._errors.seek(0)
        last = self._errors.read().strip().splitlines()[-1:]
        text = f"took more than {TIME_LIMIT:.0f} s" if late else f"the process {describe_ending(code)}"
        return ": ".join([text, *last])

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


@dataclass
class Measured:
    """An operation in all environments, with one number of threads."""

    name: str
    threads: int
    linear_algebra: bool = False
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By side, in the order of the rounds."""
    errors: dict[str, str] = field(default_factory=dict)
    """By side: why there is no time."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much time a comparison takes."""

    passes: int
    """How often all is begun anew, with new processes, and with inputs that are aligned in another way."""
    rounds: int
    """Turns of each operation in a pass, an even number."""
    repeat: int
    """Times that are taken in a turn; the least counts."""
    least: float
    """Seconds that each of these lasts at least."""


THOROUGH: Final = Effort(passes=4, rounds=4, repeat=5, least=0.01)
QUICK: Final = Effort(passes=1, rounds=2, repeat=2, least=0.005)


@dataclass(frozen=True, kw_only=True)
class Stopwatch:
    """Measures operations.

    Args:
        pythons: interpreter by side; the first side is the one that others are compared with.
        operations: names, as `numpy.add_float64`, or `numpy.import`.
        effort: how much time it takes.
        progress: receives a line for each operation.
    """

    pythons: Mapping[str, Path]
    operations: Sequence[str]
    environ: Mapping[str, str]
    effort: Effort
    progress: Callable[[str], None]

    def run(self, threads: int) -> tuple[list[Measured], dict[str, dict[str, Any]]]:
        """The times with so many threads, and which code runs, by side."""
        env = worker_environment(self.environ, threads)
        timed = [name for name in self.operations if not name.endswith(".import")]
        packages = list(dict.fromkeys(name.partition(".")[0] for name in timed))
        measured = {name: Measured(name, threads) for name in timed}
        code: dict[str, dict[str, Any]] = {}
        for number in range(self.effort.passes if timed else 0):
            workers = {side: Worker(python, packages, env) for side, python in self.pythons.items()}
            try:
                code = self._load(workers, measured.values())
                for name in timed:
                    self.progress(f"pass {number + 1} of {self.effort.passes}, threads {threads}: {name}")
                    self._turns(measured[name], workers, number)
            finally:
                for worker in workers.values():
                    worker.close()
        imports = self._imports(env) if threads == 1 else ()
        return [*measured.values(), *imports], code

    @staticmethod
    def _load(workers: Mapping[str, Worker], measured: Iterable[Measured]) -> dict[str, dict[str, Any]]:
        """Start the workers; which code runs in each. One that does not start has no times."""
        code: dict[str, dict[str, Any]] = {}
        for side, worker in workers.items():
            try:
                code[side] = worker.load()
            except WorkerError as problem:
                for each in measured:
                    each.errors[side] = str(problem)
        return code

    def _turns(self, of: Measured, workers: Mapping[str, Worker], number: int) -> None:
        """Time one operation in all environments in turn; an environment with an error is left out.

        The first pass, number 0, also compares the results.
        """
        first, ready = next(iter(workers)), dict[str, Worker]()
        single = math.inf
        for side, worker in workers.items():
            if side in of.errors or first in of.errors:
                continue
            try:
                answer = worker.ask(do="prepare", name=of.name, shift=number * ALIGNMENT)
                if side == first:
                    single, of.linear_algebra = answer["seconds"], answer["linear_algebra"]
                elif number == 0:
                    self._check(worker, workers[first])
            except WorkerError as problem:
                of.errors[side] = str(problem)
            else:
                ready[side] = worker
        calls = max(1, math.ceil(self.effort.least / single)) if len(ready) > 1 else 0
        for turn in range(self.effort.rounds if calls else 0):
            # To and fro, so that what comes first has no other conditions than what comes last.
            order = list(ready.items())[:: -1 if turn % 2 else 1]
            try:
                for side, worker in order:
                    answer = worker.ask(do="measure", number=calls, repeat=self.effort.repeat)
                    of.seconds[side].append(answer["seconds"])
            except WorkerError as problem:
                of.errors[side] = str(problem)
                return

    @staticmethod
    def _check(worker: Worker, first: Worker) -> None:
        """Compare the result of the prepared operation with that of the first environment."""
        with tempfile.NamedTemporaryFile(prefix="wheelfarm-result-") as file:
            worker.ask(do="write", file=file.name)
            if found := first.ask(do="compare", file=file.name)["difference"]:
                raise WorkerError(f"wrong result: {found}")

    def _imports(self, env: Mapping[str, str]) -> Iterator[Measured]:
        """Time imports, each in a new process."""
        for name in self.operations:
            package = name.removesuffix(".import")
            if package == name:
                continue
            self.progress(name)
            of, versions = Measured(name, 1), dict[str, str]()
            for _ in range(self.effort.passes * self.effort.rounds + 1):
                for side, python in self.pythons.items():
                    words = [str(python), "-I", "-c", IMPORT.format(IMPORTED[package], package)]
                    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
                    if done.returncode:
                        last = done.stderr.strip().splitlines()[-1:]
                        of.errors[side] = ": ".join(
                            [f"the process {describe_ending(done.returncode)}", *last]
                        )
                        continue
                    seconds, versions[side] = done.stdout.split()
                    of.seconds[side].append(float(seconds))
            # The first reads from the disk.
            of.seconds = {side: times[1:] for side, times in of.seconds.items() if side not in of.errors}
            yield of


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
