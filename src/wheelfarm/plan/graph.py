"""From a selection of recipes to builds in order. Pure: no network, no program is run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from wheelfarm.errors import Collector, LockError, UsageError
from wheelfarm.model import Name, parse_name
from wheelfarm.plan.build import Build, BuildId, gate_parts
from wheelfarm.plan.inputs import build_inputs
from wheelfarm.recipes.lock_checks import check_locks
from wheelfarm.recipes.locks import applicable, parse_lock
from wheelfarm.recipes.providers import UNPACKED, Provider, find_provider_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from wheelfarm.errors import FarmError
    from wheelfarm.model import LockedRequirement, Target
    from wheelfarm.plan.build import Toolchain
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.recipe_set import RecipeSet
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.recipes.variant_table import Variant


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A recipe that is not planned: something is wrong with it, or with a recipe that it needs."""

    name: Name
    error: FarmError
    culprit: Name | None = None
    """The recipe that it needs and that has the error; None for its own error."""


@dataclass(frozen=True)
class Plan:
    """Builds in an order in which each comes after all that it needs."""

    builds: tuple[Build, ...]
    skipped: tuple[str, ...] = ()
    """What was not requested by name and is not built here, each with the reason."""
    refused: tuple[Refused, ...] = ()
    """What was requested, also with `all`, and cannot be planned."""

    def check(self) -> None:
        """Raise what is wrong with the refused recipes, all at once."""
        problems = Collector()
        for each in self.refused:
            problems.add(each.error)
        problems.check()

    @cached_property
    def _by_id(self) -> Mapping[BuildId, Build]:
        return {build.id: build for build in self.builds}

    def build(self, build_id: BuildId) -> Build:
        return self._by_id[build_id]

    def only(self, names: Iterable[Name]) -> Plan:
        wanted = set(names)
        return replace(self, builds=tuple(build for build in self.builds if build.id.name in wanted))


def order(recipes: RecipeSet, names: Iterable[str] | None = None) -> tuple[LoadedRecipe, ...]:
    """The requested recipes and all that they need, each after what it needs; None requests all that it can.

    Raises:
        UsageError: for a name without recipe.
        FarmError: what is wrong with one of them.
    """
    names = plannable(recipes, None) if names is None else names
    graph = {name: _needs(recipes.find(name)) for name in _closure(recipes, names)}
    return tuple(map(recipes.find, _sorted(graph)))


def order_all(sets: Collection[RecipeSet]) -> tuple[LoadedRecipe, ...]:
    """All recipes that can be planned, each after what it needs in one of the variants.

    Args:
        sets: the recipes as each variant needs them.
    """
    graph: dict[Name, set[Name]] = {}
    for recipes in sets:
        for recipe in order(recipes):
            graph.setdefault(recipe.name, set()).update(_needs(recipe))
    return tuple(map(next(iter(sets)).find, _sorted(graph)))


def _sorted(graph: Mapping[Name, Iterable[Name]]) -> Iterable[Name]:
    # Sorted, so that the order depends on nothing but the recipes.
    return TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)}).static_order()


def _closure(recipes: RecipeSet, names: Iterable[str]) -> set[Name]:
    """The names and all that they need, also of recipes that cannot be used, whose needs are not known."""
    found: set[Name] = set()
    waiting = [parse_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in recipes.broken:
            waiting.extend(_needs(recipes.find(name)))
        found.add(name)
    return found


def plannable(recipes: RecipeSet, names: Iterable[str] | None) -> tuple[Name, ...]:
    """The requested recipes that can be planned; None requests all."""
    return _requested(recipes, names)[0]


def _requested(
    recipes: RecipeSet, names: Iterable[str] | None
) -> tuple[tuple[Name, ...], tuple[Refused, ...]]:
    """The requested recipes that can be planned, and those that cannot."""
    if names is None:
        names = (*recipes.by_name, *recipes.broken)
    good: list[Name] = []
    refused: dict[Name, Refused] = {}
    for name in map(parse_name, names):
        culprits = sorted(_closure(recipes, [name]) & set(recipes.broken))
        for each in culprits:
            refused[each] = Refused(name=each, error=recipes.broken[each])
        if not culprits:
            good.append(name)
        elif name not in recipes.broken:
            refused[name] = Refused(name=name, error=recipes.broken[culprits[0]], culprit=culprits[0])
    return tuple(good), tuple(refused.values())


def _needs(recipe: LoadedRecipe) -> set[Name]:
    return {Name(name) for name in (*recipe.table.requires.host, *recipe.table.requires.run)}


def _blas_refusal(recipe: LoadedRecipe, target: Target, variant: str) -> str | None:
    if recipe.supplies and variant not in recipe.supplies:
        return f"it is the BLAS of the variant {' and '.join(recipe.supplies)} only"
    if not recipe.table.blas or variant not in recipe.variants:
        return None
    return find_provider_refusal(recipe.variants[variant].provider_of(recipe.name), target)


def find_refusal(recipe: LoadedRecipe, target: Target, variant: str) -> str | None:
    """Why a recipe is not built for a target in a variant; None when it is."""
    if refusal := _blas_refusal(recipe, target, variant):
        return refusal
    if not recipe.table.supports(target.python):
        return f"{recipe.name} {recipe.table.version} is for Python {SpecifierSet(recipe.table.python)}"
    for skip in recipe.table.skip:
        is_other = skip.variants is not None and set(skip.variants).isdisjoint(recipe.lineage(variant))
        if not is_other and fnmatchcase(target.identifier, skip.targets):
            skipped = " in ".join([skip.targets, *([f"the variant {variant}"] if skip.variants else [])])
            return f"{recipe.name} skips {skipped}: {skip.reason}"
    return None


def make_plan(
    recipes: RecipeSet,
    *,
    settings: Settings,
    names: Sequence[str] | None,
    variant: str,
    toolchains: Sequence[Toolchain],
    checks: Sequence[Callable[[Build], None]] = (),
    strict: bool = True,
) -> Plan:
    """The builds for the requested recipes and all that they need, for each target.

    What is wrong with a recipe refuses it and what needs it, and nothing else.

    Args:
        recipes: the recipes.
        settings: for the variant's table.
        names: distributions; None for all.
        variant: the variant's name.
        toolchains: one for each target, as its engine found it.
        checks: raise a FarmError for a build that cannot succeed.
        strict: whether a requested recipe must serve each target; else it is left out for the others.

    Raises:
        UsageError: for an unknown recipe or variant, or a target that a recipe does not serve.
        LockError: when the lock file of the variant is missing or not locked.
    """
    table, recipes = settings.choose_variant(variant), recipes.in_variant(variant)
    provider_lock = parse_lock(settings.root / table.lock) if table.lock else ()
    good, refused = _requested(recipes, names)
    ordered = order(recipes, good)
    requested, needers = None if names is None else set(good), _needers(ordered)
    builds: dict[BuildId, Build] = {}
    shared: dict[tuple[Name, str], BuildId] = {}
    skipped: list[str] = []
    problems = Collector()
    _check_locks(recipes, ordered, [each.target for each in toolchains], variant, problems)
    # Those with an error, and those that need one of them.
    failed = set(map(Name, problems.by_name()))
    for toolchain in toolchains:
        target = toolchain.target
        provided = applicable(provider_lock, target)
        absent: set[Name] = set()
        for recipe in ordered:
            refusal = find_refusal(recipe, target, variant)
            if not refusal and (missing := sorted(absent & _needs(recipe))):
                refusal = f"it needs {', '.join(missing)}"
            if refusal and (requested is None or not strict):
                absent.add(recipe.name)
                skipped.append(f"{recipe.name} is not built for {target}: {refusal}")
                continue
            if refusal:
                raise UsageError(f"{recipe.name} is not built for {target}", where=recipe.where, why=refusal)

            failed |= {recipe.name} if failed.intersection(_needs(recipe)) else set()
            # One pure wheel is for all targets, and one of abi none for all Pythons.
            if recipe.name in failed or (recipe.name, recipe.table.shared_by(target)) in shared:
                continue
            own = problems.of(recipe.name)
            with own.collect():
                build = _build(
                    recipes,
                    recipe,
                    toolchain,
                    id=BuildId(name=recipe.name, variant=variant, target=target),
                    variant=table,
                    provided=provided,
                    reason=_reason(recipe, needers, requested),
                    shared=shared,
                )
                shared[recipe.name, recipe.table.shared_by(target)] = build.id
                builds[build.id] = with_keys(build, builds)
                for check in checks:
                    with own.collect():
                        check(builds[build.id])
            failed |= {recipe.name} if own.errors else set()
    if broken := problems.by_name():
        return make_plan(
            recipes.without(broken),
            settings=settings,
            names=names,
            variant=variant,
            toolchains=toolchains,
            checks=checks,
            strict=strict,
        )
    return Plan(tuple(builds.values()), tuple(skipped), refused)


def find_built(recipes: RecipeSet, target: Target, variant: str) -> set[Name]:
    """The recipes that are built for a target in a variant, as is all that they need."""
    recipes = recipes.in_variant(variant)
    needers, built = _needers(recipes), set(recipes.by_name)
    waiting = [each.name for each in recipes if find_refusal(each, target, variant) is not None]
    waiting += recipes.broken
    refused: set[Name] = set()
    while waiting:
        name = waiting.pop()
        if name not in refused:
            waiting += needers.get(name, ())
        refused.add(name)
    return built - refused


def _check_locks(
    recipes: RecipeSet,
    ordered: Sequence[LoadedRecipe],
    targets: Sequence[Target],
    variant: str,
    problems: Collector,
) -> None:
    """Collect what is wrong with the locks of the recipes that are built, once for all targets."""
    built = {target: find_built(recipes, target, variant) for target in targets}
    for recipe in ordered:
        own = [target for target, names in built.items() if recipe.name in names]
        if own:
            with problems.of(recipe.name).collect():
                check_locks(recipe, recipes, own, problems.of(recipe.name))


def _needers(recipes: Iterable[LoadedRecipe]) -> Mapping[Name, list[Name]]:
    """The recipes that need each recipe, in the same order."""
    needers = defaultdict[Name, list[Name]](list)
    for recipe in recipes:
        for name in _needs(recipe):
            needers[name].append(recipe.name)
    return needers


def _reason(
    recipe: LoadedRecipe, needers: Mapping[Name, Iterable[Name]], requested: Collection[Name] | None
) -> str:
    """Why a build is in the plan."""
    if requested is None or recipe.name in requested:
        return "requested"
    return f"for {', '.join(needers[recipe.name])}"


def _build(
    recipes: RecipeSet,
    recipe: LoadedRecipe,
    toolchain: Toolchain,
    *,
    id: BuildId,  # noqa: A002 - as the field
    variant: Variant,
    provided: tuple[LockedRequirement, ...],
    reason: str,
    shared: Mapping[tuple[Name, str], BuildId],
) -> Build:
    """A build without its keys; builds that it needs may be for another target, which shares their wheels."""

    def ids(of: Sequence[str]) -> tuple[BuildId, ...]:
        return tuple(shared[Name(name), recipes.find(name).table.shared_by(target)] for name in of)

    requires, target = recipe.table.requires, id.target
    unpacked = _unpacked(recipe, variant, provided, id)
    resolved = recipe.resolve_for(toolchain.engine, variant=id.variant, target=target)
    return Build(
        id=id,
        recipe=recipe,
        resolved=resolved,
        training=recipe.training_script(resolved, target),
        variant=variant,
        engine=toolchain.engine,
        toolchain=toolchain,
        patches=recipe.series(variant=id.variant, target=target),
        requirements=recipe.build_requirements(target),
        provider_requirements=unpacked,
        test_requirements=recipe.test_requirements(target),
        host=ids(requires.host),
        upstream=ids(recipes.run_closure(requires.host)),
        run=ids(recipes.run_closure(requires.run)),
        added_requires=_added_requires(recipes, recipe, variant, unpacked),
        reason=reason,
    )


def _unpacked(
    recipe: LoadedRecipe, variant: Variant, provided: tuple[LockedRequirement, ...], build_id: BuildId
) -> tuple[LockedRequirement, ...]:
    """What the variant's lock pins of the BLAS that a build has unpacked."""
    if not recipe.table.blas:
        return ()
    provider, pins = variant.provider_of(recipe.name), {str(each.name): each for each in provided}
    names = UNPACKED.get(provider, ())
    if missing := [name for name in names if name not in pins]:
        raise LockError(
            f"{build_id} has no BLAS",
            where=variant.lock or f"pyproject.toml: tool.wheelfarm.variants.{build_id.variant}.lock",
            why=f"its provider is {provider}, and the lock pins no {', no '.join(missing)} for this target",
            hint="add a line NAME==VERSION for each, with a --hash for each wheel",
        )
    return tuple(pins[name] for name in names)


def _added_requires(
    recipes: RecipeSet, recipe: LoadedRecipe, variant: Variant, unpacked: tuple[LockedRequirement, ...]
) -> tuple[str, ...]:
    """What has the BLAS at run time, where the wheel does not have it itself."""
    if recipe.table.blas and variant.recipe:
        supplier = recipes.find(variant.recipe)
        return (f"{supplier.name}=={supplier.table.wheel_version}",)
    mkl = Provider.MKL.value
    return tuple(f"{each.name}=={each.version}" for each in unpacked if each.name == mkl)


def with_keys(build: Build, earlier: Mapping[BuildId, Build]) -> Build:
    """The build with its inputs and keys, which follow from those of the builds that it needs."""
    inputs = build_inputs(build, {up.name: earlier[up].key for up in build.upstream})
    keyed = replace(build, inputs=inputs, key_parts=inputs.key_parts())
    return replace(keyed, gate_parts=gate_parts(keyed, {up.name: earlier[up].key for up in build.run}))
