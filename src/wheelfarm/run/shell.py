"""A shell where a build runs: in its directory, with its engine, environment and sandbox."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from wheelfarm.build.directory import ENVIRONMENT
from wheelfarm.build.engine import Phase
from wheelfarm.build.steps import remove_containers, run_rendering
from wheelfarm.errors import BuildDirectoryError, ChainError, FarmError
from wheelfarm.gate.clean_environment import CleanEnvironment
from wheelfarm.model import PinnedWheel, PublicWheel
from wheelfarm.run.build_layout import lay_out, reopen
from wheelfarm.run.build_lock import BuildLock
from wheelfarm.run.edited_source import edited_files, refuse_edited, remember_source
from wheelfarm.run.test_environments import pinned
from wheelfarm.system.environment import system_environment, which
from wheelfarm.system.files import remove_tree, sha256_of_file
from wheelfarm.system.logs import get_logger
from wheelfarm.system.process import Command, run_attached
from wheelfarm.system.sandbox import confine, isolation_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.build.engine import Step
    from wheelfarm.run.build_pipeline import BuildPipeline

logger = get_logger(__name__)

_SHELL: Final = ("bash", "--noprofile", "--norc", "-i")


_WAITING: Final = "before-backend"
"""A file of a build directory in which the backend has not run yet."""


class Moment(StrEnum):
    """Where in a build a shell begins."""

    CONFIGURE = "configure"
    """The build environment is made, and the backend has not run."""
    BUILD = "build"
    """The backend has run, and failed or not."""
    TEST = "test"
    """The clean environment in which the gate tests the wheel."""


@dataclass(frozen=True)
class Ended:
    """How a shell ended."""

    returncode: int
    edited: tuple[str, ...] = ()
    """The files of the source that differ since the first shell in this directory."""


@dataclass(frozen=True)
class BuildShell:
    """Opens shells for one build of a plan."""

    pipeline: BuildPipeline
    terminal: bool
    """Whether this process has one."""

    def open(self, moment: Moment, *, run: str = "", discard: bool = False) -> Ended:
        """Run a shell, and wait for its end.

        The directory of a failed build is used as it is. Otherwise it is made, and the steps of the build
        run up to the moment.

        Args:
            moment: where it begins.
            run: a command line for the shell; it is interactive by default.
            discard: whether to make the directory anew, also when it has edits.

        Raises:
            FarmError: when the directory cannot be made.
        """
        words = self._on_terminal(("sh", "-c", run) if run else _SHELL)
        if moment is Moment.TEST:
            return self._test(words)
        pipeline, services = self.pipeline, self.pipeline.services
        if isinstance(pipeline.build.recipe.source, PublicWheel):
            raise BuildDirectoryError(
                f"{pipeline.build.id} has no build",
                where=f"{pipeline.build.recipe.where}: source.kind",
                why="the recipe takes over a public wheel",
                hint="inv shell with --at=test",
            )
        with pipeline.locked(pipeline.lock):
            if discard:
                remove_tree(pipeline.root)
            directory = self._directory(moment)
            environ = services.settings.environ
            remember_source(pipeline.root, environ)
            try:
                code = self._run(services.engine.shell(directory, words, terminal=self.terminal))
            finally:
                remove_containers(services.engine, pipeline.root)
            return Ended(code, tuple(edited_files(pipeline.root, environ)))

    def _on_terminal(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The program on a terminal of its own, where the sandbox keeps it from this one.

        A shell in other namespaces cannot take the terminal, and Ctrl-C would end the sandbox.
        """
        services = self.pipeline.services
        env = system_environment(services.settings.environ)
        if not self.terminal or services.engine.container is not None or which("script", env) is None:
            return words
        return ("script", "--quiet", "--return", "--command", shlex.join(words), os.devnull)

    def _directory(self, moment: Moment) -> BuildDirectory:
        """The directory that a failed build or a shell has left; otherwise a new one."""
        pipeline, services = self.pipeline, self.pipeline.services
        upstream = [pinned(pipeline.planner.stored(each)) for each in pipeline.build.upstream]
        directory = reopen(pipeline, upstream)
        waiting = pipeline.root / _WAITING
        if directory is not None:
            logger.info("the build directory is there: %s", pipeline.root)
            if moment is Moment.BUILD and waiting.exists():
                waiting.unlink()
                self._run_steps(directory, [Phase.BUILD])
            return directory
        refuse_edited(pipeline.root, build=pipeline.build.id.name, environ=services.settings.environ)
        directory = lay_out(pipeline, upstream)
        cache = services.engine.build_cache(directory)
        if cache is not None and services.engine.container is None:
            cache.restore(directory)
        pipeline.log.write_bytes(b"")
        phases = [Phase.START, Phase.ENVIRONMENT, Phase.PROVIDER]
        if moment is Moment.CONFIGURE:
            waiting.touch()
        elif services.engine.container is None:
            phases += [Phase.PROFILE, Phase.BUILD]
        else:
            logger.warning(
                "the backend of this engine runs in a container of its own: the shell is before it"
            )
        self._run_steps(directory, phases)
        return directory

    def _run_steps(self, directory: BuildDirectory, phases: Sequence[Phase]) -> None:
        """Run the steps of some phases; a failure is what the shell is for."""
        pipeline, services = self.pipeline, self.pipeline.services
        rendering = services.engine.render(directory)
        steps = tuple(step for step in rendering.steps if step.phase in phases)
        try:
            run_rendering(
                services.engine,
                replace(rendering, steps=steps),
                directory,
                log=pipeline.log,
                time_limit=services.settings.time_limit,
                listener=pipeline.listener,
            )
        except FarmError as problem:
            if not (directory.root / ENVIRONMENT).is_dir() and services.engine.container is None:
                raise
            logger.warning("%s", problem)

    def _test(self, words: tuple[str, ...]) -> Ended:
        """Run a program in the environment that the gate tests the wheel in."""
        pipeline, engine = self.pipeline, self.pipeline.services.engine
        build = pipeline.build
        with pipeline.locked(pipeline.lock):
            environment = CleanEnvironment.of(build, self._wheel(), pipeline.planner.companions(build))
            lock = BuildLock(engine.stages, f"{build.id.slug}-shell")
            with pipeline.locked(lock):
                try:
                    environment.write(lock.root, shell=words)
                    return Ended(self._run(engine.clean_environment(lock.root, build.id.target)))
                finally:
                    remove_containers(engine, lock.root)
                    remove_tree(lock.root)

    def _wheel(self) -> PinnedWheel:
        """The stored wheel, or that of a build that its gate refused."""
        pipeline, build = self.pipeline, self.pipeline.build
        stored = pipeline.services.wheelhouse.find(build.id.variant, build.key)
        if stored is not None:
            return pinned(stored)
        if reopen(pipeline, ()) is not None:
            for name in ("finished", "dist"):
                for path in sorted((pipeline.root / name).rglob("*.whl")):
                    if path.name.startswith(f"{build.id.name.replace('-', '_')}-"):
                        digest = sha256_of_file(path)
                        return PinnedWheel(
                            name=build.id.name, version=build.version, path=path, sha256=digest
                        )
        hint = f"nox -s build-{build.id.name}"
        raise ChainError(f"there is no wheel of {build.id} to test", where=str(pipeline.root), hint=hint)

    def _run(self, step: Step) -> int:
        settings = self.pipeline.services.settings
        argv = step.argv
        if self.terminal and "--interactive" in argv and "--tty" not in argv:
            at = argv.index("--interactive")
            argv = (*argv[:at], "--tty", *argv[at:])
        shown = {name: settings.environ[name] for name in ("TERM",) if name in settings.environ}
        prompt = {"PS1": rf"[{self.pipeline.build.id.name}] \W \$ "}
        command = Command(argv=argv, env={**step.env, **shown, **prompt}, cwd=step.cwd)
        if step.view is not None:
            command = confine(command, step.view, isolation_here())
        return run_attached(command)
