"""Compares how a wheel's binaries are linked with what its recipe expects: ELF, Mach-O and PE."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.gate.check import Check, listed, matches
from wheelfarm.wheels.binary import externals
from wheelfarm.wheels.blas import blas_all
from wheelfarm.wheels.contents import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.recipes.recipe import Expect
    from wheelfarm.wheels.archive import Wheel
    from wheelfarm.wheels.binary import Binary


# Platform compatibility tags: PEP 425, 600 and 656; those of Apple and Windows as packaging writes them.
_PLATFORM: Final = re.compile(
    r"(?:(?:many|musl)?linux\w*?|macosx_\d+_\d+|win)_?"
    r"(?P<machine>x86_64|aarch64|i686|armv7l|ppc64le|riscv64|s390x|loongarch64|arm64|amd64|universal2|32)"
)
_ALIASES: Final = {"universal2": frozenset({"x86_64", "arm64"}), "32": frozenset({"win32"})}


def tag_architectures(platform_tag: str) -> frozenset[str]:
    """List the architectures of a wheel's platform tags, as binaries name them; `any` has none."""
    found = frozenset[str]()
    for tag in platform_tag.split("."):
        match = _PLATFORM.fullmatch(tag)
        if match:
            found |= _ALIASES.get(match["machine"], frozenset({match["machine"]}))
    return found


def check_architecture(wheel: Wheel, binaries: Sequence[Binary]) -> Iterator[Check]:
    """Compare each binary with the wheel's tags; without a binary or an architecture there is no check.

    A Mach-O file may have further architectures, as a whole vendored library does.
    """
    wanted = tag_architectures(wheel.platform_tag)
    machines = defaultdict[str, set[str]](set)
    for binary in binaries:
        machines[binary.member].add(binary.machine)
    if not wanted or not machines:
        return
    wrong = sorted(member for member, found in machines.items() if not wanted <= found)
    details = "; ".join(f"{member} is for {listed(sorted(machines[member]))}" for member in wrong)
    yield Check.of(
        "architecture",
        expected=listed(sorted(wanted)),
        found=listed(sorted(set().union(*(machines[member] for member in wrong or machines)))),
        ok=not wrong,
        cause=f"{details}: a compiler or library is for another machine; see CC, CFLAGS, ARCHFLAGS",
    )


def reads_binaries(expect: Expect, *, compiled: bool) -> bool:
    """Whether an expectation needs the binaries."""
    values = (expect.blas, expect.interface, expect.stripped, expect.needs, expect.vendors, expect.extensions)
    return compiled or any(value is not None for value in values)


def check_linkage(expect: Expect, binaries: Sequence[Binary], *, compiled: bool) -> Iterator[Check]:
    """Compare a wheel's binaries with the expectations.

    Args:
        expect: of the recipe.
        binaries: all of the wheel's.
        compiled: whether the recipe compiles anything, so that there must be an extension module.
    """
    wanted = expect.extensions if expect.extensions is not None else compiled or None
    if wanted is not None:
        yield _extensions(binaries, wanted=wanted)
    if expect.blas is not None or expect.interface is not None:
        yield from _blas(expect, binaries)
    if expect.stripped is not None:
        yield _stripped(binaries, wanted=expect.stripped)
    if expect.needs is not None:
        yield _needs(binaries, expect.needs)
    if expect.vendors is not None:
        yield _vendors(binaries, expect.vendors)


def _extensions(binaries: Sequence[Binary], *, wanted: bool) -> Check:
    found = sorted({binary.member for binary in binaries if binary.extension})
    cause = (
        "nothing was compiled: an optional extension whose failure the project passes over? "
        "A recipe that compiles nothing says compilers = []"
        if wanted
        else "the option or the variable that should leave compiled code out had no effect"
    )
    return Check.of(
        "extensions",
        expected="some" if wanted else "none",
        found=listed(found),
        ok=bool(found) is wanted,
        cause=cause,
    )


def _blas(expect: Expect, binaries: Sequence[Binary]) -> Iterator[Check]:
    found = blas_all(binaries)
    # Two copies of one provider are an error too, so each counts.
    providers = sorted(each.provider.value for each in found) or ["none"]
    interfaces = sorted({each.interface.value for each in found if each.interface})
    evidence = "; ".join(
        f"{each.provider.value} in {', '.join(each.libraries)}: {', '.join(each.symbols)}" for each in found
    )
    if expect.blas is not None:
        cause = f"{evidence or 'no BLAS symbols'}; see setup-args and the variant's provider"
        ok = providers == [expect.blas]
        yield Check.of("blas", expected=expect.blas, found=", ".join(providers), ok=ok, cause=cause)
    if expect.interface is not None:
        ok = interfaces == [expect.interface]
        there = ", ".join(interfaces) or "none"
        yield Check.of("interface", expected=expect.interface, found=there, ok=ok, cause=evidence)


def _is_vendored(binary: Binary) -> bool:
    return kind_of(binary.member) is Kind.LIBRARY and not binary.extension


def _stripped(binaries: Sequence[Binary], *, wanted: bool) -> Check:
    """Binaries of the build; vendored libraries stay as they are."""
    built = [binary for binary in binaries if not _is_vendored(binary)]
    full = sorted({binary.member for binary in built if not binary.stripped or binary.has_debug})
    cause = (
        f"{listed(full)}: the linker's option does not reach them (LDFLAGS; meson-python ignores -Dstrip)"
        if wanted
        else "LDFLAGS strips"
    )
    expected = "no symbol tables, no debug information" if wanted else "symbol tables"
    found = f"{len(full)} of {len(built)} with them" if full else "none with them"
    return Check.of("stripped", expected=expected, found=found, ok=bool(full) is not wanted, cause=cause)


def _needs(binaries: Sequence[Binary], allowed: Sequence[str]) -> Check:
    """Libraries from outside the wheel, by their name or path in the binary."""
    strange = {
        library: members
        for library, members in externals(binaries).items()
        if not matches(library, allowed) and not matches(PurePosixPath(library).name, allowed)
    }
    where = "; ".join(f"{library} by {listed(members)}" for library, members in strange.items())
    cause = f"{where}: the repair tool left it out, or an option linked it; another machine may not have it"
    found = listed(strange, "nothing else")
    return Check.of("needs", expected=listed(allowed, "nothing"), found=found, ok=not strange, cause=cause)


def _vendors(binaries: Sequence[Binary], allowed: Sequence[str]) -> Check:
    """The libraries that the repair tool added."""
    names = sorted({PurePosixPath(binary.member).name for binary in binaries if _is_vendored(binary)})
    strange = [name for name in names if not matches(name, allowed)]
    cause = f"{listed(strange)}: an option, or a library of the system, links it"
    found = listed(names)
    return Check.of("vendors", expected=listed(allowed), found=found, ok=not strange, cause=cause)
