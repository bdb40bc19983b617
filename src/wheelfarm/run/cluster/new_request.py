"""The request by which a worker makes one build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wheelfarm.run.cluster.request import BuildRequest

if TYPE_CHECKING:
    from wheelfarm.plan.build import Build, BuildId, Toolchain
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.build_files import BuildFiles
    from wheelfarm.run.packed_farm import PackedFarm
    from wheelfarm.run.services import BuildServices


def new_request(
    services: BuildServices,
    build: Build,
    files: BuildFiles,
    farm: PackedFarm,
    *,
    jobs: int,
    topic: str,
    store: str | None,
) -> BuildRequest:
    """The request for a build.

    Args:
        services: those of the farm's run.
        build: what the worker makes.
        files: the files of the build, collected.
        farm: the farm's files.
        jobs: the processors of the build.
        topic: of the worker's messages.
        store: the url of the shared store.
    """
    downstream = _downstream(services, build)
    closure = _closure(services, build, downstream)
    return BuildRequest(
        name=build.id.name,
        variant=build.id.variant,
        target=str(build.id.target),
        key_parts=build.key_parts,
        names=tuple(dict.fromkeys((build.id.name, *(each.name for each in downstream)))),
        options=_options(services.settings, build, closure, jobs),
        versions=services.settings.versions,
        commits=farm.commits,
        toolchains=_other_toolchains(services, build, closure),
        jobs=jobs,
        farm=farm.file,
        inputs=tuple(files.sent.values()),
        answers=tuple(files.answers.values()),
        stored=tuple(files.stored.values()),
        store=store,
        topic=topic,
    )


def _options(settings: Settings, build: Build, closure: set[BuildId], jobs: int) -> dict[str, str]:
    """The settings that a worker must share; the rest of the machine's is its own."""
    targets = {each.target for each in closure}
    pythons = sorted({each.python for each in targets})
    own = {each.platform_suffix for each in targets}
    # In the farm's order: a pure wheel is of the first platform.
    platforms = [each for each in settings.platforms if each in own] or sorted(own)
    return {
        "root": str(settings.root),
        "variant": build.id.variant,
        "pythons": ",".join(map(str, pythons)),
        "platform": ",".join(platforms),
        "engine": build.engine.value,
        "stages": str(settings.stages),
        "jobs": str(jobs),
        "time-limit": str(settings.time_limit),
        "release": str(settings.release).lower(),
        "trust-numpy-abi": str(settings.trust_numpy_abi).lower(),
        "compiler-cache": str(bool(settings.compiler_cache)).lower(),
    }


def _other_toolchains(services: BuildServices, build: Build, closure: set[BuildId]) -> tuple[Toolchain, ...]:
    """The toolchains of other platforms that the plan of the worker needs, which it cannot look at."""
    own = build.id.target.platform_suffix
    others = {each.target for each in closure if each.target.platform_suffix != own}
    found = {each.id.target: each.toolchain for each in services.plan.builds}
    return tuple(found[target] for target in sorted(others))


def _downstream(services: BuildServices, build: Build) -> tuple[BuildId, ...]:
    """The builds of the plan whose wheels need that of this one to run."""
    recipes = services.recipes
    return tuple(
        each.id
        for each in services.plan.builds
        if build.id.name in recipes.run_closure(each.recipe.table.requires.run)
    )


def _closure(services: BuildServices, build: Build, downstream: tuple[BuildId, ...]) -> set[BuildId]:
    """The build, those that its gate tries with its wheel, and all that they need, directly or not."""
    own = build.id.target
    found: set[BuildId] = set()
    waiting = [build.id, *(each for each in downstream if each.target == own)]
    while waiting:
        build_id = waiting.pop()
        if build_id not in found:
            found.add(build_id)
            needed = services.plan.build(build_id)
            waiting += [*needed.upstream, *needed.run]
    return found
