"""Doors to the machine: processes, atomic files, locks, compilers and system packages."""
