"""What a Linux binary asks of others: by this, not by its code, repair tool and loader decide about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LinkInterface:
    """What auditwheel reads of a binary (`wheel_abi.py`, `elfutils.py`, `lddtree.py`, `policy/`; 6.8)."""

    machine: tuple[object, ...]
    """The machine, its level (x86-64-v3 and the like), the kind of file, and the loader it names."""
    needed: tuple[str, ...]
    """Names of libraries, in the order in which they are looked for."""
    sought: tuple[tuple[str, ...], ...]
    """Where libraries are looked for, by the kind of entry that says so, and under which name this one is."""
    versions: frozenset[tuple[str, str]]
    """Libraries, and the versions of their symbols."""
    symbols: frozenset[tuple[str, str]]
    """The names that others must have, and how they are bound."""
    entries: frozenset[str]
    """What Python looks for in an extension module."""


def asked(data: bytes) -> LinkInterface | None:
    """What a binary asks of others; None for what is no sound ELF file."""
    from wheelfarm.wheels import elf  # noqa: PLC0415 - its parser is heavy

    return elf.asked(data)
