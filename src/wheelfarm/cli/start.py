"""The console script `wheelfarm`: an interrupt while the farm is imported ends with one line too."""

from __future__ import annotations

from wheelfarm.system.signals import end_at_signals


def main() -> None:
    """Run the console script."""
    end_at_signals()
    from wheelfarm.cli import program  # noqa: PLC0415 - slow to import

    program.main()


if __name__ == "__main__":
    main()
