"""The architecture that a wheel's binaries are made for, against the one that its tags promise."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from wheelfarm.gate.check import Check, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.wheels import Binary, Wheel

# Platform compatibility tags: PEP 425, 600 and 656; those of Apple and Windows as packaging writes them.
_PLATFORM: Final = re.compile(
    r"(?:(?:many|musl)?linux\w*?|macosx_\d+_\d+|win)_?"
    r"(?P<machine>x86_64|aarch64|i686|armv7l|ppc64le|riscv64|s390x|loongarch64|arm64|amd64|universal2|32)"
)
_MEANT: Final = {"universal2": frozenset({"x86_64", "arm64"}), "32": frozenset({"win32"})}


def promised(platform_tag: str) -> frozenset[str]:
    """The architectures of a wheel's platform tags, as its binaries name them; none of `any`."""
    found = frozenset[str]()
    for tag in platform_tag.split("."):
        match = _PLATFORM.fullmatch(tag)
        if match:
            found |= _MEANT.get(match["machine"], frozenset({match["machine"]}))
    return found


def check_architecture(wheel: Wheel, binaries: Sequence[Binary]) -> Iterator[Check]:
    """Compare each binary with the wheel's tags; one without an architecture or binaries promises nothing.

    A Mach-O file may have more of them than promised, as a library that was vendored whole does.
    """
    wanted = promised(wheel.platform_tag)
    machines = defaultdict[str, set[str]](set)
    for binary in binaries:
        machines[binary.member].add(binary.machine)
    if not wanted or not machines:
        return
    wrong = sorted(member for member, found in machines.items() if not wanted <= found)
    told = "; ".join(f"{member} is for {listed(sorted(machines[member]))}" for member in wrong)
    yield Check.of(
        "architecture",
        expected=listed(sorted(wanted)),
        found=listed(sorted(set().union(*(machines[member] for member in wrong or machines)))),
        ok=not wrong,
        cause=f"{told}: a compiler or library of another one was taken; see CC, CFLAGS, ARCHFLAGS",
    )
