"""Examines the base of an image: its Python, its C library and its other libraries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from wheelfarm.errors import DeployError, UsageError
from wheelfarm.gate.systems import System

if TYPE_CHECKING:
    from wheelfarm.build.containers import ContainerEngine
    from wheelfarm.model import Python, Target

_NAME: Final = re.compile(
    # What a Containerfile and a command line take as one word.
    r"[a-z0-9]+(?:[._:/-]+[A-Za-z0-9]+)*(?:@sha256:[0-9a-f]{64})?"
)
_NOT_FOUND: Final = 127
_EXAMINE: Final = r"""
import glob, json, os, re, sys
paths = {}
for directory in ("/lib*", "/usr/lib*", "/lib/*-linux-gnu*", "/usr/lib/*-linux-gnu*", "/usr/local/lib"):
    for path in sorted(glob.glob(directory + "/lib*.so*")):
        paths.setdefault(os.path.basename(path), path)
def newest(prefix):
    path = paths.get("libstdc++.so.6")
    data = open(path, "rb").read() if path else b""
    found = re.findall(prefix + rb"_([0-9]+(?:\.[0-9]+)*)\0", data)
    return max((each.decode() for each in found), key=lambda text: [*map(int, text.split("."))], default="0")
try:
    glibc = os.confstr("CS_GNU_LIBC_VERSION").split()[-1]
except (AttributeError, ValueError):
    glibc = ""
print(json.dumps({
    "python": "%d.%d%s" % (*sys.version_info[:2], "t" * ("t" in sys.abiflags)), "machine": os.uname().machine,
    "glibc": glibc, "glibcxx": newest(b"GLIBCXX"), "cxxabi": newest(b"CXXABI"), "libraries": sorted(paths),
}))
"""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    python: str
    machine: str
    glibc: str
    glibcxx: str
    cxxabi: str
    libraries: list[str]


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """An image that has a Python; its size is bytes, unpacked."""

    name: str
    digest: str
    size: int
    system: System


def check_name(name: str, where: str) -> None:
    """Refuse what cannot be an image's name.

    Raises:
        UsageError: for anything else.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of an image", where=where, hint="such as localhost/stack:1.0")


def default_base(python: Python) -> str:
    """The base that most people take: Debian with a Python, and little else."""
    return f"docker.io/library/python:{python.major}.{python.minor}-slim"


def examine_base(container: ContainerEngine, name: str, target: Target) -> BaseImage:
    """Run the Python of a base image, and ask it what its system has.

    Raises:
        DeployError: when the image is not here, or wheels of the target cannot run there.
    """
    known = container.inspect(name)
    if known is None:
        hint = f"{container.program} pull {name}, or name another one with --base"
        raise DeployError(f"the base image {name} is not here", where="--base", hint=hint)
    another = f"name another one with --base, such as {default_base(target.python)}"
    finished = container.run_python(name, _EXAMINE)
    if finished.returncode == _NOT_FOUND:
        raise DeployError(f"the base image {name} has no python3", where="--base", hint=another)
    try:
        found = _Answer.model_validate_json(finished.output.splitlines()[-1] if finished.output else "")
    except ValidationError as problem:
        what = f"the Python of the base image {name} does not run"
        why = finished.output.strip() or f"it ends with {finished.returncode}, and says nothing"
        raise DeployError(what, where="--base", why=why, hint=another) from problem
    if found.python != str(target.python):
        what = f"the base image {name} has Python {found.python}, and the wheels are for {target.python}"
        raise DeployError(what, where="--base", hint=f"--python {found.python}; or {another}")
    if found.machine != target.arch:
        what = f"the base image {name} is for {found.machine}, and the wheels are for {target.arch}"
        raise DeployError(what, where="--base", hint=another)
    if not found.glibc:
        what = f"the base image {name} has no glibc, and the wheels are for {target.system}"
        raise DeployError(what, where="--base", hint=another)
    system = System(
        title=f"the base image {name}, glibc {found.glibc}",
        **found.model_dump(exclude={"python", "machine"}),
        image=name,
        python="",
        references=[],
    )
    return BaseImage(name=name, digest=known.get("Digest") or known["Id"], size=known["Size"], system=system)
