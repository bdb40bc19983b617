"""cibuildwheel as the oracle: what it makes of a rendered configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheelfarm.build.cibuildwheel_engine import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.build.engine import Rendering
    from wheelfarm.model import Target


@dataclass(frozen=True)
class Oracle:
    """A process that reads configurations as cibuildwheel does."""

    process: subprocess.Popen[str]

    def read(self, rendering: Rendering, target: Target) -> dict[str, Any]:
        """What cibuildwheel makes of the file of a rendering."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        question = {
            "config": rendering.files[CONFIG],
            "platform": target.platform.value,
            "identifier": target.identifier,
        }
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "cibuildwheel does not take this file"
        return dict(json.loads(answer))


@contextmanager
def cibuildwheel_oracle() -> Iterator[Oracle]:
    """Run the oracle."""
    script = Path(__file__).with_name("cibuildwheel_reader.py")
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Oracle(process)
        finally:
            process.kill()
