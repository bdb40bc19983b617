"""lief, which parses binaries, without what it writes to stderr: what matters is in the result.

Its import costs more than most of what this package does, so its users import it late.
"""

import lief

lief.logging.disable()

__all__ = ["lief"]
