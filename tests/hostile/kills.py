"""Kills runs of a chain at random instants: nothing is lost, half-written or left behind.

Usage: nox -s hostile -- --kills N [--engine host|cibuildwheel] [--seed N]

A round edits some recipes of three, and starts runs until one ends by itself. Of the others, some are killed
at any instant, some while a wheel is stored, and some when the last one is. SIGKILL goes to the process
group, SIGTERM and SIGINT to the farm or to nox alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

HERE: Final = Path(__file__).parent
SOURCE: Final = HERE.parents[1] / "src"
sys.path[:0] = [str(HERE.parent), str(SOURCE)]

from support.farm import container_variables  # noqa: E402
from support.forked import Forked  # noqa: E402
from support.packages import tinybase, tinyleaf, tinytop  # noqa: E402
from support.store import check_tidy, check_whole  # noqa: E402
from support.tiny import BUILD, CHAIN, LEAF, VARIANT, tiny_farm, tiny_index  # noqa: E402
from wheelfarm.build.containers import container_engine  # noqa: E402
from wheelfarm.system.files import TEMPORARY_PREFIX  # noqa: E402
from wheelfarm.wheelhouse.layout import Layout  # noqa: E402
from wheelfarm.wheels.archive import open_wheel, verify  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Process = subprocess.Popen[str] | Forked

NAMES: Final = (*CHAIN, *LEAF)
STARTS: Final = {
    "farm": ("-m", "wheelfarm.cli.start", "chain", "all"),
    "nox": ("-m", "nox", "-s", "build-tinytop", "build-tinyleaf"),
}
DOORS: Final = {"fork": 8, "farm": 1, "nox": 1}
"""How often a run is started by which of them; a fork of this process has imported the farm already."""
AIMS: Final = {"any": 5, "store": 4, "stored": 1}
"""When a run is killed, and how often."""
ENDS: Final = {signal.SIGKILL: 6, signal.SIGTERM: 2, signal.SIGINT: 2}
_STORE: Final = 0.06
"""Seconds after the start of a store in which a kill falls."""
_PROMISED: Final = 30.0
"""Seconds for an interrupted run to end on a busy machine: its programs get five, the run itself eight."""
_HANG: Final = 900.0
_READS: Final = ("plan all", "report", "index.export all")
"""Tasks that read the wheelhouse."""
_PROJECT: Final = """\
[build-system]
requires = [{requires}]
build-backend = "direct_backend"
backend-path = ["."]
[project]
name = "{name}"
version = "1.0"
dependencies = [{requires}]
"""
_TASKS: Final = "from wheelfarm.cli.program import collection\n\nnamespace = collection()\n"
_NOXFILE: Final = """\
import sys
from pathlib import Path
from wheelfarm.cli import sessions

sessions.tools_environment = lambda *_: Path(sys.executable)
sessions.register_recipes(Path(__file__).parent)
"""


def packages() -> dict[str, dict[str, str]]:
    """The files of the packages, which a backend of their own builds."""
    own = {"direct_backend.py": (HERE.parent / "support" / "direct_backend.py").read_text()}
    return {
        name: {
            **{path: text for path, text in files.items() if path.startswith(("native/", f"{name}/"))},
            "pyproject.toml": _PROJECT.format(name=name, requires='"tinybase"' * (name == "tinytop")),
            **own,
        }
        for name, files in (("tinybase", tinybase()), ("tinytop", tinytop()), ("tinyleaf", tinyleaf()))
    }


@dataclass
class Farm:
    """A farm of three tiny packages, of which runs are killed."""

    root: Path
    engine: str
    chance: random.Random
    seconds: float = 5.0
    """How long a wheel takes."""
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a run was killed, by phase and signal."""
    finished: int = 0
    slowest: float = 0.0
    """Seconds that an interrupted run took to end."""
    round: int = 0
    records: set[Path] = field(default_factory=set)
    """All records that were there."""

    def __post_init__(self) -> None:
        index = tiny_index(self.root / "index", **packages())
        lock = index.lock(*BUILD[1:])
        self.settings = tiny_farm(
            self.root / "farm",
            index,
            {**CHAIN, **LEAF},
            settings={"engine": self.engine, "time-limit": _HANG},
            files={
                "tasks.py": _TASKS,
                "noxfile.py": _NOXFILE,
                **{f"recipes/{name}/build.lock": lock for name in NAMES},
            },
            environ=container_variables("HOME") if self.engine == "cibuildwheel" else None,
        )
        self.layout = Layout(root=self.settings.wheelhouse, variant=VARIANT)
        self.container = container_engine(self.settings) if self.engine == "cibuildwheel" else None
        self.temporary = self.root / "temporary"
        self.temporary.mkdir()
        self.env = {**self.settings.environ, "PYTHONPATH": str(SOURCE), "TMPDIR": str(self.temporary)}

    def start_run(self, how: str) -> Process:
        """Start a chain in the farm, in a process group of its own."""
        if how == "fork":
            return Forked(("chain", "all"), self.root / "output", self.settings.root, self.env)
        return self.start(*STARTS[how])

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start Python in the farm, in a process group of its own."""
        # A file, because a process that stays behind would hold a pipe open.
        with (self.root / "output").open("w") as output:
            return subprocess.Popen(
                [sys.executable, *words],
                cwd=self.settings.root,
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def output(self) -> str:
        """What the last process has said."""
        return (self.root / "output").read_text(errors="replace")

    def edit(self) -> int:
        """Change a value in some recipes; returns how many wheels have to be built."""
        self.round += 1
        edited = self.chance.sample(NAMES, self.chance.choice((1, 1, 1, 2, 3)))
        for name in edited:
            recipe = self.settings.recipes / name / "recipe.toml"
            text = recipe.read_text().partition("\n[environment]")[0]
            recipe.write_text(f'{text}\n[environment]\nROUND = "{self.round}"\n')
        return len({*edited, *(["tinytop"] if "tinybase" in edited else [])})

    def run_round(self, most: int) -> int:
        """Kill runs of one chain, `most` at most, and let one end; returns how many were killed."""
        due, killed = self.edit(), 0
        while True:
            how = _choose(self.chance, DOORS)
            left = due - len(self.records_now() - self.records)
            began, process = time.monotonic(), self.start_run(how)
            if killed < most and self.chance.random() < (0.95 if left else 0.5):
                self.wait_for_aim(process, left)
                if process.poll() is None:
                    self.kill(process)
                    killed += 1
                    continue
            self.check_end(process, how)
            if left == due:
                self.seconds = 0.5 * (self.seconds + (time.monotonic() - began) / due)
            return killed

    def wait_for_aim(self, process: Process, left: int) -> None:
        """Wait until the instant at which this run is to be killed, or until it ends.

        Args:
            process: the run.
            left: how many wheels it has to store.
        """
        aim = _choose(self.chance, AIMS) if left else "any"
        if aim == "any":
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.chance.uniform(0, self.seconds * max(left, 0.2)))
            return
        nth = left if aim == "stored" else self.chance.randint(1, left)
        unfinished = self.layout.unfinished
        stores, before, deadline = 0, unfinished.exists(), time.monotonic() + _HANG
        while stores < nth and process.poll() is None:
            assert time.monotonic() < deadline, "the run hangs"
            time.sleep(0.001)
            stores += (now := unfinished.exists()) and not before
            before = now
        time.sleep(self.chance.uniform(0, _STORE if aim == "store" else 0.5))

    def phase(self) -> str:
        """The phase that the run is in: that of the build which has come furthest."""
        if self.layout.unfinished.exists():
            return "store"
        stages = self.settings.stages
        found = [each for each in (stages.iterdir() if stages.is_dir() else ()) if each.is_dir()]
        if any((each / "gate").is_dir() for each in found):
            return "gate"
        if any(each.with_name(f"{each.name}.running").exists() for each in found):
            return "build"
        if found:
            return "prepare"
        return "stored" if self.records_now() - self.records else "start"

    def kill(self, process: Process) -> None:
        """End a run, and check what it leaves at once."""
        number = _choose(self.chance, ENDS)
        phase = self.phase()
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
            process.wait(_HANG)
        else:
            began = time.monotonic()
            process.send_signal(number)
            process.wait(_HANG)
            self.slowest = max(self.slowest, time.monotonic() - began)
            said = self.output()
            own = set(re.findall(r"wheelfarm/(\S+)\.py", said)) <= {"cli/start", "system/signals"}
            assert process.returncode in {0, 130, -number} or own, (process.returncode, said)
            assert "Traceback" not in said or own, said
            self.check_nothing_left(self.slowest)
        self.kills[phase, number.name] += 1
        self.check_stored()

    def records_now(self) -> set[Path]:
        """The records in the wheelhouse."""
        return set(self.layout.records.glob("*.json"))

    def check_stored(self) -> None:
        """Assert that each file of the wheelhouse is whole, and that no record has gone."""
        assert self.records <= self.records_now(), "a record is lost"
        if not self.layout.directory.exists():
            return
        listed = check_whole(self.settings.wheelhouse, VARIANT)
        assert len(listed) >= len({path.name for path in self.layout.simple.glob("tiny*/index.json")})
        for wheel in self.layout.wheels.glob("*/*.whl"):
            if not wheel.name.startswith(TEMPORARY_PREFIX):
                verify(open_wheel(wheel))
        for record in self.records_now():
            described = json.loads(record.read_text())
            place = self.layout.wheels / described["wheel"]["sha256"][:16]
            assert (place / described["wheel"]["filename"]).is_file(), record
            assert (self.settings.root / described["log"]).is_file(), record

    def check_end(self, process: Process, how: str) -> None:
        """Assert that a run ends well, and that it has removed what those before it have left."""
        process.wait(_HANG)
        said = self.output()
        assert process.returncode == 0, (how, process.returncode, said)
        self.check_stored()
        check_tidy(self.settings.wheelhouse, VARIANT)
        self.records = self.records_now()
        self.finished += 1
        self.check_nothing_left(0)
        left = [path for path in self.settings.stages.iterdir() if path.suffix != ".lock"]
        left += (self.settings.work / "ungated").glob("*")
        left += self.temporary.iterdir()
        assert not left, left
        if self.finished % 10 == 1:
            for task in (*_READS, f"wheel.inspect {next(self.layout.wheels.glob('*/*.whl'))}"):
                process = self.start("-m", "wheelfarm.cli.start", *task.split())
                process.wait(_HANG)
                assert process.returncode == 0, (task, self.output())

    def check_nothing_left(self, took: float) -> None:
        """Assert that no process, container or mount of the farm is there."""
        assert took < _PROMISED, took
        deadline = time.monotonic() + 5
        while (left := [*self.processes()]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not left, left
        assert str(self.root) not in Path("/proc/mounts").read_text()
        if self.container is not None:
            for name in self.settings.stages.glob("*.lock"):
                label = self.container.label(name.with_suffix("")).removeprefix("--")
                words = [self.container.program, "ps", "--all", "--quiet", "--filter", label]
                assert not subprocess.run(words, capture_output=True, text=True, check=True).stdout

    def processes(self) -> Iterator[str]:
        """The processes that have this farm on their command line, in their environment or around them."""
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (path / "cmdline").read_bytes()
                seen = words + (path / "environ").read_bytes() + bytes((path / "cwd").readlink())
                if str(self.root).encode() in seen and path.name != str(os.getpid()):
                    yield words.replace(b"\0", b" ").decode(errors="replace")


def _choose(chance: random.Random, weights: dict[Any, int]) -> Any:
    return chance.choices(list(weights), list(weights.values()))[0]


def report(kills: Counter[tuple[str, str]], say: Callable[[str], object]) -> None:
    """Print how often runs were killed, by phase."""
    for phase in sorted({phase for phase, _ in kills}):
        by_signal = {name: count for (each, name), count in kills.items() if each == phase}
        say(f"  {phase:8} {sum(by_signal.values()):5}  {by_signal}")


def main() -> int:
    """Kill as many runs as one wants; the exit code is 1 when something was wrong after one of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--engine", choices=("host", "cibuildwheel"), default="host")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    # A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chance = random.Random(options.seed)  # noqa: S311 - not for secrets
    total: Counter[tuple[str, str]] = Counter()
    wrong, finished, slowest, began = 0, 0, 0.0, time.monotonic()

    def say(text: str) -> None:
        print(text, flush=True)

    say(f"{options.kills} kills, --engine {options.engine} --seed {options.seed}")
    while total.total() < options.kills:
        root = Path(tempfile.mkdtemp(prefix="kills-"))
        farm = Farm(root, options.engine, chance)
        try:
            while (left := options.kills - total.total() - farm.kills.total()) > 0:
                before = farm.kills.total()
                farm.run_round(min(left, 20))
                if farm.kills.total() // 10 > before // 10:
                    say(f"{farm.kills.total()} kills after {time.monotonic() - began:.0f} s")
                    report(farm.kills, say)
        except Exception as error:
            wrong += 1
            line = traceback.extract_tb(error.__traceback__)[-1].line
            say(f"{root}: round {farm.round}: {line}: {str(error)[-2000:]}")
        else:
            shutil.rmtree(root)
        total, finished, slowest = (
            total + farm.kills,
            finished + farm.finished,
            max(slowest, farm.slowest),
        )
    say(f"{total.total()} kills, {finished} runs ended well, {wrong} wrong; {time.monotonic() - began:.0f} s")
    say(f"an interrupted run took {slowest:.1f} s to end at most")
    report(total, say)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
