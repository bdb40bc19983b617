"""How a build reports its progress while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wheelfarm.system.process import Flag


class ProgressListener(Protocol):
    """Receives the output and the processes of one build, and may cancel it."""

    @property
    def cancelled(self) -> Flag | None:
        """When set, by whatever thread, the running process ends."""

    def on_line(self, line: str) -> None:
        """Receive a line of output."""

    def on_process(self, pid: int) -> None:
        """Receive the process that does the work from now on."""


class SilentListener:
    """Ignores all progress, and never cancels."""

    cancelled: Flag | None = None

    def on_line(self, line: str) -> None:
        del line

    def on_process(self, pid: int) -> None:
        del pid
