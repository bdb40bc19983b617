"""The only door to subprocess, but for the sessions: they run before the farm's libraries are there.

A step that is a program of the farm starts its own child without it: the two are to end as one group.

A command is a list of words with the whole environment of the child; there are no shell strings and nothing
is inherited. Each child leads its own process group, which ends as a whole: at the time limit, on an
interrupt, when it is cancelled and, when it holds the output open, after the child itself has gone.
"""

from wheelfarm.process.command import Command, Finished, Flag
from wheelfarm.process.environment import allowed, which
from wheelfarm.process.left_behind import end_left_behind
from wheelfarm.process.running import run
from wheelfarm.process.usage import Usage, usage

__all__ = ["Command", "Finished", "Flag", "Usage", "allowed", "end_left_behind", "run", "usage", "which"]
