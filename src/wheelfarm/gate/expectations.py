"""Compares a repaired wheel with what its recipe expects: names, sizes, tags and linkage."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import counted
from wheelfarm.gate.check import Check, listed, matches, require
from wheelfarm.gate.examination import check_examination
from wheelfarm.gate.numpy_api import check_numpy_api
from wheelfarm.provenance.sbom_reader import vendored_members
from wheelfarm.recipes.sizes import MeasuredSize
from wheelfarm.recipes.strict import size_of
from wheelfarm.wheelhouse.tags import is_library, is_pure
from wheelfarm.wheels.binary import externals
from wheelfarm.wheels.blas import blas_all
from wheelfarm.wheels.contents import contents, test_members
from wheelfarm.wheels.examination import platform_level
from wheelfarm.wheels.linkage import linkage_in_child

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from wheelfarm.gate.check import Result
    from wheelfarm.model import CompiledObjects
    from wheelfarm.plan.build import Build
    from wheelfarm.recipes.expect_table import Expect, MaxSize
    from wheelfarm.wheels.archive import Wheel
    from wheelfarm.wheels.binary import Binary

# Platform compatibility tags: PEP 425, 600 and 656; those of Apple and Windows as packaging writes them.
_PLATFORM: Final = re.compile(
    r"(?:(?:many|musl)?linux\w*?|macosx_\d+_\d+|win)_?"
    r"(?P<machine>x86_64|aarch64|i686|armv7l|ppc64le|riscv64|s390x|loongarch64|arm64|amd64|universal2|32)"
)
_ALIASES: Final = {"universal2": frozenset({"x86_64", "arm64"}), "32": frozenset({"win32"})}


def check_expectations(
    build: Build,
    wheel: Wheel,
    env: Mapping[str, str],
    scratch: Path,
    *,
    beside: Collection[Wheel] = (),
    compiled: CompiledObjects | None = None,
) -> tuple[Result, ...]:
    """Compare a repaired wheel with what its recipe expects.

    Args:
        build: whose wheel it is.
        wheel: the wheel.
        env: the environment of the child process that reads its binaries.
        scratch: a directory for that process.
        beside: the wheels that are installed with it.
        compiled: how the objects in it were compiled, where that is known.

    Raises:
        ExpectationError: a group with every expectation that is not met.
    """
    expect, has_code = build.resolved.expect, build.recipe.table.compiled
    checks = [*check_abi(build, wheel), *check_contents(expect, wheel, growth=_growth_hint(build, wheel))]
    binaries: tuple[Binary, ...] = ()
    exclude = build.resolved.repair.exclude
    if reads_binaries(expect, compiled=has_code) or exclude:
        binaries = linkage_in_child(wheel, env, scratch)
        checks += check_architecture(wheel, binaries)
        vendored = vendored_members(wheel)
        # The library of an abi none is no extension module.
        modules = build.recipe.table.for_one_python
        checks += check_linkage(
            expect, binaries, vendored=vendored, modules=modules, exclude=exclude, beside=beside
        )
    checks += check_examination(build, wheel, binaries, beside, compiled)
    return require(build, checks, wheel=wheel.path.name)


def check_pure(build: Build, wheel: Wheel, env: Mapping[str, str], scratch: Path) -> tuple[Result, ...]:
    """Refuse a wheel that is not for each Python 3 and each platform, or that holds compiled code.

    Raises:
        ExpectationError: naming its tag, or the members that are compiled code by their content.
    """
    own = scratch / "pure"
    own.mkdir(exist_ok=True)
    # A source may have another layout than its wheel.
    allowed = [PurePosixPath(glob).name for glob in build.recipe.table.source.allow_in_wheel]
    found = sorted({binary.member for binary in linkage_in_child(wheel, env, own)})
    members = [member for member in found if not matches(PurePosixPath(member).name, allowed)]
    tag = "-".join(wheel.path.stem.split("-")[-3:])
    cause = (
        f"{listed(members)}: compiled code, by its content, that source.allow-in-wheel does not name"
        if members
        else "the backend compiled something, or says that it did (has_ext_modules, root_is_pure)"
    )
    check = Check.of(
        "pure",
        expected="py3-none-any without compiled code",
        found=f"{tag} with compiled code" if members else tag,
        ok=is_pure(wheel.tags) and not members,
        cause=f'{cause}; the recipe of a wheel with compiled code names its compilers, as compilers = ["c"]',
    )
    return require(build, [check], wheel=wheel.path.name)


def check_abi(build: Build, wheel: Wheel) -> Iterator[Check]:
    """Compare the tag of a wheel with what the recipe says of its ABI."""
    if build.recipe.table.abi == "none" and build.id.name == wheel.name:
        yield Check.of(
            "abi",
            expected="py3-none of one platform",
            found="-".join(wheel.path.stem.split("-")[-3:]),
            ok=is_library(wheel.path.name),
            cause='the recipe says abi = "none"; the backend chooses the tag',
        )


def check_contents(expect: Expect, wheel: Wheel, *, growth: str = "") -> Iterator[Check]:
    """Compare what a wheel holds with what is expected of it; `growth` says what to do if it is too large."""
    if expect.tests is not None:
        yield _tests(wheel, wanted=expect.tests)
    if expect.max_size is not None:
        yield from _sizes(wheel, expect.max_size, growth)
    if expect.files is not None:
        yield from _files(wheel, present=expect.files.present, absent=expect.files.absent)
    if expect.platform_tag is not None:
        yield _platform_tag(wheel, expect.platform_tag)
    if expect.abi3 is not None:
        yield _abi3(wheel, wanted=expect.abi3)


def _tests(wheel: Wheel, *, wanted: bool) -> Check:
    tests = test_members(wheel)
    found = (
        f"{counted(len(tests), 'file')}, {sum(member.size for member in tests):,} bytes"
        if tests
        else "none inside"
    )
    names = listed((member.name for member in tests), "")
    cause = (
        "an install tag, a patch or the source leaves the test suite out"
        if wanted
        else f"{names}: the install tags or the patch that leave the test suite out had no effect"
    )
    expected = "some inside" if wanted else "none inside"
    return Check.of("tests", expected=expected, found=found, ok=bool(tests) is wanted, cause=cause)


def _growth_hint(build: Build, wheel: Wheel) -> str:
    """How to agree to a size beyond the measured one; empty where the recipe itself says the limit."""
    id_, file = build.id, build.recipe.sizes_file
    if file not in build.resolved.origins.values():
        return ""
    size = MeasuredSize(file=wheel.packed, unpacked=wheel.unpacked)
    return (
        f"inv wheel.inspect {wheel.path.name} shows what is inside; if it has to be as large, say so in "
        f"{file}, [sizes.{id_.variant}.{build.engine}]: {build.recipe.table.shared_by(id_.target)} = {size}"
    )


def _sizes(wheel: Wheel, limits: MaxSize, growth: str) -> Iterator[Check]:
    for key, size in (("file", wheel.packed), ("unpacked", wheel.unpacked)):
        limit = getattr(limits, key)
        if limit is None:
            continue
        summary = contents(wheel, largest=3)
        kinds = ", ".join(f"{kind} {share.size:,}" for kind, share in summary.kinds[:4])
        largest = ", ".join(f"{member.name} {member.size:,}" for member in summary.largest)
        yield Check.of(
            f"max-size.{key}",
            expected=f"at most {limit}",
            found=f"{size:,} bytes",
            ok=size <= size_of(limit),
            cause=f"by kind: {kinds}; largest: {largest}; debug information, tests or a second library?",
            hint=growth,
        )


def _files(wheel: Wheel, *, present: list[str], absent: list[str]) -> Iterator[Check]:
    names = [member.name for member in wheel.members]
    if present:
        missing = [glob for glob in present if not any(matches(name, [glob]) for name in names)]
        yield Check.of(
            "files.present",
            expected=listed(present),
            found="all of them" if not missing else f"nothing for {listed(missing)}",
            ok=not missing,
            cause="an install tag, a patch or an option leaves them out",
        )
    if absent:
        there = [name for name in names if matches(name, absent)]
        yield Check.of(
            "files.absent",
            expected=f"nothing for {listed(absent)}",
            found=listed(there),
            ok=not there,
            cause="the install tag, the patch or the option that should leave them out had no effect",
        )


def _platform_tag(wheel: Wheel, wanted: str) -> Check:
    """Whether the wheel is for systems at least as old as the tag says; several tags mean any of them."""
    limit = platform_level(wanted)
    tags = wheel.platform_tag.split(".")
    levels = [level for tag in tags if (level := platform_level(tag)) is not None]
    if limit is None:
        ok = wanted in tags
    else:
        ok = any(system == limit[0] and version <= limit[1] for system, version in levels)
    cause = "a newer builder image or deployment target, or a compiler of the system on the host engine"
    return Check.of(
        "platform-tag", expected=f"{wanted} or older", found=wheel.platform_tag, ok=ok, cause=cause
    )


def _abi3(wheel: Wheel, *, wanted: bool) -> Check:
    abis = sorted({tag.abi for tag in wheel.tags})
    return Check.of(
        "abi3",
        expected="the stable ABI" if wanted else "the ABI of one Python",
        found=", ".join(abis),
        ok=("abi3" in abis) is wanted,
        cause="the backend's option for the limited API (meson-python: tool.meson-python.limited-api)",
    )


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
    """Whether an expectation concerns the binaries."""
    linked = (expect.blas, expect.interface, expect.needs, expect.vendors)
    values = (*linked, expect.stripped, expect.extensions, expect.numpy_api)
    return compiled or any(value is not None for value in values)


def check_linkage(
    expect: Expect,
    binaries: Sequence[Binary],
    *,
    vendored: AbstractSet[str],
    modules: bool,
    exclude: Sequence[str] = (),
    beside: Collection[Wheel] = (),
) -> Iterator[Check]:
    """Compare a wheel's binaries with the expectations; a compiled wheel must have an extension module.

    Args:
        expect: the expectations.
        binaries: those of the wheel.
        vendored: the members that the repair tool added.
        modules: whether there are extension modules, unless the expectations say it.
        exclude: globs of the libraries that the repair left to other wheels.
        beside: the wheels that are installed with it.
    """
    wanted = expect.extensions if expect.extensions is not None else modules or None
    if wanted is not None:
        yield _extensions(binaries, wanted=wanted)
    if expect.blas is not None or expect.interface is not None:
        yield from _blas(expect, binaries)
    if expect.numpy_api is not None:
        yield check_numpy_api(binaries, expect.numpy_api, beside)
    if expect.stripped is not None:
        built = [binary for binary in binaries if binary.member not in vendored]
        yield _stripped(built, wanted=expect.stripped)
    if expect.needs is not None:
        yield _needs(binaries, [*expect.needs, *exclude])
    if expect.vendors is not None:
        yield _vendors(vendored, expect.vendors)


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


def _stripped(built: Sequence[Binary], *, wanted: bool) -> Check:
    """Binaries of the build; vendored libraries stay as they are."""
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


def _vendors(vendored: AbstractSet[str], allowed: Sequence[str]) -> Check:
    """The libraries that the repair tool added."""
    names = sorted({PurePosixPath(member).name for member in vendored})
    strange = [name for name in names if not matches(name, allowed)]
    cause = f"{listed(strange)}: an option, or a library of the system, links it"
    found = listed(names)
    return Check.of("vendors", expected=listed(allowed), found=found, ok=not strange, cause=cause)
