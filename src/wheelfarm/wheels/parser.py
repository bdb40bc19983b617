"""lief, which parses binaries, without what it writes to stderr: what matters is in the result.

Its import costs more than most of what this room does, so whoever needs it imports it late.
"""

import lief

lief.logging.disable()

__all__ = ["lief"]
