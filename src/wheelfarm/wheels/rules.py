"""What is looked for in every wheel: the rules of the examination, with what each means and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What makes a wheel fail elsewhere, or costs its user something.

    Args:
        name: its name, which `expect.allow` takes.
        error: whether the gate refuses a wheel; else it is a note.
        meaning: what is wrong, after a number of members.
        remedy: what to change.
        reference: where the consequence is described.
    """

    name: str
    error: bool
    meaning: str
    remedy: str
    reference: str


_PEP_600: Final = "https://peps.python.org/pep-0600/"
RULES: Final[Mapping[str, Rule]] = {
    rule.name: rule
    for rule in (
        Rule(
            name="executable-stack",
            error=True,
            meaning="need an executable stack, which glibc 2.41 and later refuse to load",
            remedy="link with -Wl,-z,noexecstack, and give assembler files a .note.GNU-stack section",
            reference="https://github.com/pypa/auditwheel/issues/634",
        ),
        Rule(
            name="writable-code",
            error=True,
            meaning="have memory that is writable and executable at once, which SELinux refuses",
            remedy="drop the linker's option -N (--omagic), or the linker script that joins the segments",
            reference="https://docs.redhat.com/en/documentation/red_hat_enterprise_linux/9/html/using_selinux",
        ),
        Rule(
            name="text-relocations",
            error=True,
            meaning="have relocations in their code (DT_TEXTREL), which SELinux and musl refuse",
            remedy="compile all of it with -fPIC, the static libraries that are linked too",
            reference="https://wiki.gentoo.org/wiki/Hardened/Textrels_Guide",
        ),
        Rule(
            name="rpath",
            error=True,
            meaning="look for libraries where another machine has none or has others",
            remedy="link without -rpath, or with one that begins with $ORIGIN and stays in site-packages",
            reference="https://github.com/pypa/auditwheel/issues/562",
        ),
        Rule(
            name="unused-rpath",
            error=False,
            meaning="have an LC_RPATH with a directory of the build machine, which dyld never reads",
            remedy="remove it: install_name_tool -delete_rpath, or delocate-wheel --sanitize-rpaths",
            reference="https://github.com/matthew-brett/delocate",
        ),
        Rule(
            name="newer-system",
            error=True,
            meaning="need a newer system than the wheel's tag says",
            remedy="build in an older builder image, or for an older deployment target",
            reference=_PEP_600,
        ),
        Rule(
            name="stable-abi",
            error=True,
            meaning="use what the stable ABI of the wheel's tag does not have",
            remedy="define Py_LIMITED_API for the oldest Python of the tag, or build without the stable ABI",
            reference="https://docs.python.org/3/c-api/stable.html",
        ),
        Rule(
            name="library-elsewhere",
            error=True,
            meaning="need a library that repair.exclude leaves to another wheel, and may not find it",
            remedy="name its wheel in the dependencies and in requires.run, and link with a relative RPATH",
            reference="https://github.com/pypa/auditwheel/issues/391",
        ),
        Rule(
            name="path-twice",
            error=True,
            meaning="are in another wheel of its environment too, and the later one overwrites them",
            remedy="leave them out of one wheel: a split, an install tag or a patch",
            reference="https://packaging.python.org/en/latest/specifications/binary-distribution-format/",
        ),
        Rule(
            name="instruction-set",
            error=True,
            meaning="need a newer processor than the baseline: elsewhere the process ends with SIGILL",
            remedy="drop the option and dispatch at run time, or say [expect] instruction-set",
            reference="https://gitlab.com/x86-psABIs/x86-64-ABI",
        ),
        Rule(
            name="not-stripped",
            error=False,
            meaning="have a symbol table or debug information, which nothing needs at run time",
            remedy="link with -Wl,-s, or strip the library before the repair",
            reference="https://sourceware.org/binutils/docs/binutils/strip.html",
        ),
        Rule(
            name="source-paths",
            error=False,
            meaning="name files of the machine that built them, so that another directory makes other bytes",
            remedy="compile with -ffile-prefix-map=$PWD=. or, for Rust, --remap-path-prefix",
            reference="https://reproducible-builds.org/docs/build-path/",
        ),
        Rule(
            name="native-code",
            error=True,
            meaning="were compiled for the processor of the build: elsewhere the process ends with SIGILL",
            remedy='drop -march=native and -mcpu=native, or say [expect] instruction-set = "native"',
            reference="https://gcc.gnu.org/onlinedocs/gcc/x86-Options.html",
        ),
        Rule(
            name="native-tuning",
            error=False,
            meaning="were tuned for the processor of the build, so that another machine makes other bytes",
            remedy="name a processor in -mtune, or drop it",
            reference="https://gcc.gnu.org/onlinedocs/gcc/x86-Options.html",
        ),
        Rule(
            name="gil",
            error=True,
            meaning="enable the GIL of a free-threaded Python, for all threads of the process",
            remedy="declare Py_mod_gil, once the module is safe without the GIL",
            reference="https://docs.python.org/3/howto/free-threading-extensions.html",
        ),
        Rule(
            name="library-twice",
            error=False,
            meaning="are one library under several names: the same code and constants",
            remedy="link the library under one soname",
            reference="https://github.com/scipy/scipy/issues/22654",
        ),
        Rule(
            name="soname-twice",
            error=False,
            meaning="are several libraries of one name: a process may load each of them",
            remedy="link one of them, or leave it to the wheel that has it",
            reference="https://github.com/scikit-learn/scikit-learn/issues/34437",
        ),
        Rule(
            name="outside-packages",
            error=False,
            meaning="are installed at the top of site-packages, where other packages have files too",
            remedy="install them into the package, or leave them out: a split, an install tag or a patch",
            reference="https://packaging.python.org/en/latest/specifications/binary-distribution-format/",
        ),
    )
}
"""By name. `docs/reference/examination.md` is made from it."""
RUN_TIME: Final = frozenset({"gil"})
"""The rules for what a wheel does in a clean environment."""


def parse_allowance(key: str) -> tuple[str, str]:
    """The rule and the glob of members in a key of `expect.allow`; without a glob, all members."""
    rule, _, glob = key.partition(":")
    return rule.strip(), glob.strip() or "*"


def allowed_members(allow: Iterable[str], rule: str) -> tuple[str, ...]:
    """The globs of members for which the keys of `expect.allow` allow a rule, sorted."""
    return tuple(sorted(glob for name, glob in map(parse_allowance, allow) if name == rule))
