"""Times operations on request, in the Python of a measured environment. It reads and writes lines of JSON.

Uses the standard library and the measured packages, and nothing of the farm.

Usage: worker.py PACKAGE…
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
import pickle
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parent))

from registry import OPERATIONS

PAUSE = 0.03
"""Seconds in which OpenBLAS's idle threads stop waiting actively: they would disturb the next worker."""
BEFORE = 1 << 18
"""Bytes that lie before the inputs: more than the free pieces of memory between other objects have."""

ALONE = os.environ["OMP_NUM_THREADS"] == "1"
CLOCK = time.process_time if ALONE else time.perf_counter
"""One thread that waits for nothing takes as much processor time as time; others disturb that less."""


def difference(found: Any, expected: Any, rtol: float, where: str = "the result") -> str:
    """How two results differ, in a sentence; empty when they agree."""
    if hasattr(expected, "toarray"):
        found, expected = found.toarray(), expected.toarray()
    if type(expected).__module__.startswith("pandas."):
        found, expected = _columns(found), _columns(expected)
    if type(found) is not type(expected):
        return f"{where} is a {type(found).__name__} in place of a {type(expected).__name__}"
    if isinstance(expected, Mapping):
        found, expected = list(found.items()), list(expected.items())
    if isinstance(expected, list | tuple):
        if len(found) != len(expected):
            return f"{where} has {len(found)} parts in place of {len(expected)}"
        parts = enumerate(zip(found, expected, strict=True))
        return next((text for n, (a, b) in parts if (text := difference(a, b, rtol, f"{where}[{n}]"))), "")
    return _array_difference(found, expected, rtol, where)


def _columns(data: Any) -> list[Any]:
    """The index and the columns of something of pandas as arrays."""
    columns = [data.index, *(data[name] for name in data.columns)] if hasattr(data, "columns") else [data]
    if data.ndim == 1 and hasattr(data, "index"):
        columns = [data.index, data]
    return [each.to_numpy() for each in columns] + [str(getattr(data, "dtypes", data.dtype))]


def _array_difference(found: Any, expected: Any, rtol: float, where: str) -> str:
    import numpy as np  # noqa: PLC0415 - only after the measured packages were chosen

    a, b = np.asarray(found), np.asarray(expected)
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return f"{where} is {a.dtype}{a.shape} in place of {b.dtype}{b.shape}"
    if b.dtype.kind not in "fc":
        same = (a == b) | ((a != a) & (b != b)) if b.dtype.kind in "OmM" else a == b  # noqa: PLR0124
        wrong = np.count_nonzero(~np.asarray(same, dtype=bool))
        return f"{where} differs in {wrong} of {b.size} values" if wrong else ""
    scale = float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0))
    if np.allclose(a, b, rtol=rtol, atol=rtol * scale, equal_nan=True):
        return ""
    return f"{where} differs by {np.nanmax(np.abs(a - b)):.3g}, of {scale:.3g} at most"


class Worker:
    """Answers requests."""

    def __init__(self, packages: list[str]) -> None:
        self.packages = packages
        self.timed: Callable[[], Any] = lambda: None
        self.before = b""
        self.name = ""

    def load(self) -> dict[str, Any]:
        """Import the operations, and say which libraries and code run."""
        for package in self.packages:
            importlib.import_module(f"of_{package}")
        import numpy as np  # noqa: PLC0415
        from threadpoolctl import threadpool_info  # noqa: PLC0415

        config = np.show_config(mode="dicts")
        keys = ("internal_api", "version", "architecture", "threading_layer", "num_threads")
        return {
            "versions": {name: sys.modules[name].__version__ for name in ("numpy", *self.packages)},
            "blas": config["Build Dependencies"]["blas"].get("name", ""),
            "simd": config["SIMD Extensions"].get("found", []),
            "pools": [
                {key: each[key] for key in keys if key in each} | {"file": Path(each["filepath"]).name}
                for each in threadpool_info()
            ],
        }

    def prepare(self, name: str, shift: int) -> dict[str, Any]:
        """Make the inputs of an operation behind so many bytes more; the seconds of its second call."""
        self.before = bytes(BEFORE + shift)
        self.name, self.timed = name, OPERATIONS[name].make()
        self.timed()
        return {"seconds": self.time(1), "linear_algebra": OPERATIONS[name].linear_algebra}

    def time(self, number: int) -> float:
        """Seconds of one call, as a mean of so many."""
        began = CLOCK()
        for _ in range(number):
            self.timed()
        return (CLOCK() - began) / number

    def measure(self, number: int, repeat: int) -> dict[str, Any]:
        """The least of several means, after a call that warms the caches and wakes the threads."""
        self.timed()
        gc.collect()
        gc.disable()
        best = min((self.time(number) for _ in range(repeat)), default=math.inf)
        gc.enable()
        if not ALONE:
            time.sleep(PAUSE)
        return {"seconds": best}

    def write(self, file: str) -> dict[str, Any]:
        """Write the result to a file."""
        result = OPERATIONS[self.name].view(self.timed())
        Path(file).write_bytes(pickle.dumps(result, protocol=5))
        return {}

    def compare(self, file: str) -> dict[str, Any]:
        """Compare the result in a file with this environment's."""
        chosen = OPERATIONS[self.name]
        expected = chosen.view(self.timed())
        found = pickle.loads(Path(file).read_bytes())  # noqa: S301 - another worker of this run wrote it
        return {"difference": difference(found, expected, chosen.rtol)}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a request asks for; what goes wrong is the answer."""
        try:
            answer: dict[str, Any] = getattr(self, request.pop("do"))(**request)
        except Exception as problem:  # noqa: BLE001 - whatever a measured package raises
            return {"error": f"{type(problem).__name__}: {problem}"}
        return answer


def main() -> None:
    """Answer until there is no request any more. What packages print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(sys.argv[1:])
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
