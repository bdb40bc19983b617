"""A progress listener that records what it receives."""

from wheelfarm.build.engine import SilentListener


class RecordingListener(SilentListener):
    """Collects the lines of a build."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_line(self, line: str) -> None:
        self.lines.append(line)
