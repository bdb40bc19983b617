"""The only door to subprocess.

A command is a list of words with the whole environment of the child; there are no shell strings and nothing
is inherited. Each child leads its own process group, which ends as a whole: at the time limit, on an
interrupt and, when it holds the output open, after the child itself has gone.
"""

from wheelfarm.process.command import Command, Finished
from wheelfarm.process.environment import allowed, which
from wheelfarm.process.left_behind import end_left_behind
from wheelfarm.process.running import run

__all__ = ["Command", "Finished", "allowed", "end_left_behind", "run", "which"]
