"""A container image: planned for its base, built, tested in a container, and only then named."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.build.cibuildwheel_engine import Cibuildwheel
from wheelfarm.build.containers import CONTAINERFILE, container_engine, interpreter_in_image
from wheelfarm.deploy.base_image import check_name, default_base, examine_base
from wheelfarm.deploy.build_context import ARCHIVE, image_variables, write_context
from wheelfarm.deploy.check import check_deployed
from wheelfarm.deploy.deployment import one_target, plan_deployment
from wheelfarm.deploy.tree import DROPPABLE
from wheelfarm.deploy.tree_files import EPOCH
from wheelfarm.errors import DeployError, ProcessError, UsageError
from wheelfarm.gate.systems import System
from wheelfarm.model import Name
from wheelfarm.run.services import make_fetcher
from wheelfarm.system.files import copy_verified, sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import contents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from wheelfarm.build.containers import ContainerEngine
    from wheelfarm.build.engine import ProgressListener, Step
    from wheelfarm.deploy.base_image import BaseImage
    from wheelfarm.deploy.deployment import Deployment
    from wheelfarm.model import PinnedWheel, Target
    from wheelfarm.run.farm import Farm

_PIP: Final = "26.0.1"
"""What installs the public wheels that an image is compared with; it is in neither image."""
_UNKNOWN: Final = System(
    title="a base that was not examined", glibc="2.28", libraries=[], image="", references=[]
)
"""Wheels of an index are chosen for it: that of cibuildwheel's default images."""


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """An image in the engine's storage; sizes are bytes, unpacked."""

    id: str
    digest: str
    size: int
    tested: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image before it is built.

    Args:
        content: what it has over its base.
        base: the name of the base.
        examined: the base; None where no container engine answers.
        container: builds it.
    """

    content: Deployment
    base: str
    examined: BaseImage | None
    container: ContainerEngine | None

    def check_limit(self, limit: int, size: int | None = None) -> None:
        """Refuse an image that is too large.

        Args:
            limit: the most bytes of base and packages.
            size: those of the built image, whose layer has headers and padding besides; None before.

        Raises:
            DeployError: when it is larger than the limit.
        """
        base = self.examined.size if self.examined else 0
        below = base if size is None else size - self.content.unpacked
        self.content.check_limit(
            limit, base=below, why=f"the base alone has {base:,}" if base >= limit else None
        )

    def write_context(self, directory: Path) -> None:
        """Write the build context; each file is replaced in one step.

        Raises:
            OSError: when it cannot be written.
        """
        with tempfile.TemporaryDirectory(prefix="wheelfarm-image-") as scratch:
            self._write(Path(scratch))
            for name in (ARCHIVE, CONTAINERFILE):
                copy_verified(Path(scratch, name), directory / name, sha256_of_file(Path(scratch, name)))

    def _write(self, directory: Path) -> None:
        write_context(self.content, self.base, self.examined, directory)

    def build(
        self, container: ContainerEngine, tag: str, listener: ProgressListener, *, limit: int | None = None
    ) -> BuiltImage:
        """Build and test the image; the name is the image's only if it works.

        Raises:
            DeployError: when it cannot be built, is larger than the limit, a wheel does not work in it, or
                something removes it meanwhile.
        """
        farm = self.content.farm
        with tempfile.TemporaryDirectory(prefix="wheelfarm-image-") as scratch:
            context = Path(scratch, "context")
            context.mkdir()
            self._write(context)
            image = _build(container, context)
            try:
                if limit is not None:
                    self.check_limit(limit, _describe(container, image).size)
                engine = _ImageEngine(farm.settings, container, test_image=image)
                variables = image_variables(self.content.tree)
                tests = Path(scratch, "tests")
                tested = check_deployed(self.content, engine, tests, listener, variables=variables)
                container.tag(image, tag)
            finally:
                container.remove_unnamed(image)
            return _describe(container, tag, tested)

    def build_naive(self, container: ContainerEngine) -> tuple[BuiltImage, dict[str, int]]:
        """Build and remove an image of the public wheels over the same base, as pip installs them.

        Returns:
            The image, and bytes by kind of file.

        Raises:
            DeployError: when it cannot be built.
            NetworkError, SourceError: when the index does not have a wheel.
        """
        selection = self.content.selection
        wheels, pip = _public_wheels(
            self.content.farm, selection.wheels, selection.target, self.content.system
        )
        with tempfile.TemporaryDirectory(prefix="wheelfarm-image-") as scratch:
            context = Path(scratch)
            for each in (*wheels, pip):
                shutil.copyfile(each.path, context / each.path.name)
            options = ("--no-index", "--no-deps", "--no-cache-dir", "--break-system-packages")
            words = ["python3", "-B", f"/wheels/{pip.path.name}/pip", "install", *options]
            words += [f"/wheels/{each.path.name}" for each in wheels]
            command = ", ".join(f'"{word}"' for word in words)
            text = f"FROM {self.base}\nUSER 0\nRUN --mount=type=bind,target=/wheels [{command}]\n"
            (context / CONTAINERFILE).write_text(text, encoding="utf-8")
            image = _build(container, context)
            try:
                built = _describe(container, image)
            finally:
                container.remove_unnamed(image)
        kinds: dict[str, int] = {}
        for each in wheels:
            for kind, share in contents(open_wheel(each.path)).kinds:
                kinds[str(kind)] = kinds.get(str(kind), 0) + share.size
        return built, kinds


@dataclass(frozen=True)
class _ImageEngine(Cibuildwheel):
    """Runs tests in an image that has a Python and the wheels, as its own user."""

    test_image: str = ""

    def clean_environment(self, directory: Path, target: Target, out: Path | None = None) -> Step:
        # The image's user may read them, whatever the umask.
        for path in (directory, *directory.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        step = super().clean_environment(directory, target, out)
        at = step.argv.index(str(interpreter_in_image(target.python)))
        argv = (*step.argv[: at - 1], "--pull=never", self.test_image, *step.argv[at + 1 :])
        return replace(step, argv=argv)


def plan_image(
    farm: Farm,
    names: Iterable[Name],
    base: str = "",
    *,
    drop: Collection[str] = DROPPABLE,
    pyc: bool = False,
) -> Image:
    """Select and lay out what an image has, for the system of its base.

    Args:
        farm: its settings name one Python.
        names: the distributions.
        base: the image that it is built on; empty for Python's own.
        drop: of DROPPABLE, what is left out.
        pyc: whether it has bytecode.

    Raises:
        UsageError: for several Pythons, and for another system than glibc's.
        DeployError: for a base that does not fit, and as `plan_deployment`.
    """
    target = one_target(farm, "an image")
    if target.system != "manylinux":
        raise UsageError(
            f"images are not made of wheels for {target.system}",
            where="--platform",
            hint="build wheels for manylinux: inv chain with --platform manylinux_x86_64",
        )
    base = base or default_base(target.python)
    check_name(base, "--base")
    container = container_engine(farm.settings)
    examined = examine_base(container, base, target) if container else None
    system, option = (examined.system, "--base") if examined else (_UNKNOWN, "")
    content = plan_deployment("image", farm, names, target, system, option=option, drop=drop, pyc=pyc)
    return Image(content=content, base=base, examined=examined, container=container)


def _build(container: ContainerEngine, context: Path) -> str:
    try:
        return container.build(context, epoch=EPOCH)
    except ProcessError as problem:
        raise DeployError("the image cannot be built", why=problem.why or problem.what) from problem


def _describe(container: ContainerEngine, image: str, tested: tuple[str, ...] = ()) -> BuiltImage:
    known = container.inspect(image)
    if known is None:
        raise DeployError(
            f"the image {image} is gone",
            why=f"`{container.program} image inspect` does not find it: something else may have removed it",
            hint="run it again, and nothing beside it that removes images",
        )
    return BuiltImage(
        id=known["Id"].removeprefix("sha256:"),
        digest=known.get("Digest", ""),
        size=known["Size"],
        tested=tested,
    )


def _public_wheels(
    farm: Farm, wheels: Sequence[PinnedWheel], target: Target, system: System
) -> tuple[list[PinnedWheel], PinnedWheel]:
    """The index's wheel for each of some wheels, and pip."""
    fetcher, numbers = make_fetcher(farm.settings), [int(each) for each in system.glibc.split(".")]
    glibc = (numbers[0], numbers[1])
    public = [
        fetcher.published(each.name, each.version, target, glibc) if each.farm else each for each in wheels
    ]
    return public, fetcher.published(Name("pip"), _PIP, target, glibc)
