"""The command lines and assignments that cibuildwheel runs and sets in a build, as text."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.build.blas_provider import library_path
from wheelfarm.build.cibuildwheel_options import command_line, quote_value
from wheelfarm.build.compiler_cache import PROGRAM, compilers_path, compilers_words
from wheelfarm.build.environment import PROXIES
from wheelfarm.build.environment_report import ENVIRONMENT_REPORT, LIBRARY_PROVENANCE
from wheelfarm.build.repair import TOOLS
from wheelfarm.model import Platform
from wheelfarm.recipes.farm_settings import Provider

if TYPE_CHECKING:
    from wheelfarm.build.compiler_cache import CompilerCache
    from wheelfarm.build.directory import BuildDirectory

TOOLS_INSIDE: Final = PurePosixPath("/wheelfarm/ccache")
STORAGE_INSIDE: Final = PurePosixPath("/wheelfarm/ccache-storage")
"""Where a container gets the compiler cache."""
UV_INSIDE: Final = PurePosixPath("/wheelfarm/uv")
"""Where it gets this machine's uv."""


def _with_network(line: str) -> str:
    """A shell's line with the proxies of the container itself: those of the build lead nowhere."""
    inner = shlex.quote(line)
    proxies = 'grep -zi _proxy= /proc/1/environ | xargs -0 sh -c \'exec env "$@" sh -c "$0"\''
    return f"unset {' '.join(PROXIES)}; {proxies} {inner}"


def before_all(stage: BuildDirectory) -> str:
    """System packages, then netlib: with whatever package manager the image has."""
    if stage.build.id.target.platform is not Platform.LINUX:
        return ""
    commands = []
    packages = stage.build.system_packages
    apt, dnf = (shlex.join(packages[manager]) for manager in ("apt", "dnf"))
    if apt or dnf:
        branches = (
            (
                "apt-get",
                f"apt-get update -qq && apt-get install -y --no-install-recommends {apt}" if apt else ":",
            ),
            ("dnf", f"dnf install -y {dnf}" if dnf else ":"),
            ("yum", f"yum install -y {dnf}" if dnf else ":"),
        )
        tests = "; el".join(f"if command -v {program} >/dev/null; then {line}" for program, line in branches)
        line = f"{tests}; else echo 'no package manager that we know' >&2; exit 1; fi"
        commands.append(_with_network(line))
    if stage.provider is Provider.NETLIB:
        script, provider = (stage.inside / part for part in ("inside/netlib.py", "provider"))
        commands.append(f"python {shlex.quote(str(script))} {shlex.quote(str(provider))}")
    return " && ".join(commands)


def before_build(stage: BuildDirectory, cache: CompilerCache | None, *, build_cache: bool) -> str:
    """What the build needs, by hash and from the stage alone; then the compiler cache.

    Args:
        stage: what is to be built.
        cache: the compiler cache, where one is used.
        build_cache: whether the build has a build cache.
    """
    target = stage.build.id.target
    install = command_line(_install("python", "-m", "pip", "--isolated", stage=stage), target=target)
    if target.platform is Platform.LINUX:
        # Where this machine's uv does not run, pip does the same and takes a second longer.
        uv = (str(UV_INSIDE), "--offline", "--no-config", "--no-cache", "pip")
        ours = command_line((*_install(*uv, stage=stage), "--break-system-packages"), target=target)
        # By its path: under a mere name uv takes virtual environments only, which some images have.
        ours += ' --python "$(command -v python)"'
        install = f"if {UV_INSIDE} --version >/dev/null 2>&1; then {ours}; else {install}; fi"
    commands: list[tuple[str, ...]] = []
    if cache is not None:
        tools = TOOLS_INSIDE if target.platform is Platform.LINUX else cache.tools
        words = compilers_words(tools / PROGRAM, stage.inside, stage.build.resolved.environment)
        commands.append(("python", *words))
    if build_cache:
        settle = (stage.inside / "inside" / "prepare_build_cache.py").as_posix()
        commands.append(("python", "-I", settle, str(stage.build_dir)))
    return " && ".join([install, *(command_line(words, target=target) for words in commands)])


def _install(*installer: str, stage: BuildDirectory) -> tuple[str, ...]:
    """The installer's words, which pip and uv understand alike."""
    options = ("--no-index", "--require-hashes", "--force-reinstall", "--no-compile")
    return (*installer, "install", *options, "-r", (stage.inside / "requirements.txt").as_posix())


def cache_words(stage: BuildDirectory, cache: CompilerCache) -> list[str]:
    """The variables of the compiler cache, as assignments."""
    container = stage.build.id.target.platform is Platform.LINUX
    storage = STORAGE_INSIDE if container else cache.storage
    variables = cache.environment(storage=storage, stage=stage.inside)
    words = [quote_value(name, value, where="compiler-cache") for name, value in variables.items()]
    path = quote_value("PATH", f"{compilers_path(stage.inside)}:", where="stages")
    return [*words, f'{path.removesuffix(chr(34))}$PATH"']


def repair(stage: BuildDirectory) -> str:
    """The environment report, then the repair tool, then the provenance of the libraries that it put in."""
    target, inside = stage.build.id.target, stage.inside
    output = PurePosixPath("/output") if target.platform is Platform.LINUX else stage.dist
    libraries = library_path(stage.provider, inside=inside)
    words, variables = TOOLS[target.platform].command(
        wheel="{wheel}",
        dest="{dest_dir}",
        arch=target.arch,
        libraries=libraries,
    )
    witness = (
        *(
            "python",
            "-I",
            str(inside / "inside" / "environment_report.py"),
            "{wheel}",
            str(output / ENVIRONMENT_REPORT),
        ),
        *stage.build.all_system_packages,
    )
    if variables:
        words = ("env", *(f"{name}={value}" for name, value in variables.items()), *words)
    owners = (
        *(
            "python",
            "-I",
            str(inside / "inside" / "library_provenance.py"),
            "{dest_dir}",
            str(output / LIBRARY_PROVENANCE),
        ),
        *([libraries] if libraries else []),
    )
    first, tool, told = (command_line(each, target=target) for each in (witness, words, owners))
    return f"{first} && {tool} && {told}"
