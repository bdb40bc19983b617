"""recipe.toml as a strict model. The JSON Schema is generated from it, so there is one truth."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import ConfigDict, Field, model_validator

from wheelfarm.recipes.expect_table import Expect
from wheelfarm.recipes.metadata_table import MetadataEdits
from wheelfarm.recipes.source_table import ArchiveSource, GitSource, Nightly, SdistSource, WheelSource
from wheelfarm.recipes.strict import (
    ConfigKey,
    FileText,
    InstallTag,
    Module,
    NameText,
    PlatformName,
    ReasonText,
    RequirementText,
    SizeText,
    Specifiers,
    SplitKey,
    StrictModel,
    TextForm,
    VariableName,
    VersionText,
)

if TYPE_CHECKING:
    from wheelfarm.model import Python, Target

# delocate excludes by a part of the path: what precedes the first wildcard.
LibraryGlob = Annotated[
    str,
    TextForm(
        r"[A-Za-z0-9_.+-]{4,}[A-Za-z0-9_.+*?\[\]-]*",
        "a library's file name, of which four characters or more stand before the first wildcard",
    ),
]
SourceGlob = Annotated[
    str,
    TextForm(
        r"[A-Za-z0-9_][A-Za-z0-9_.+/*?\[\]-]*",
        "the end of a path of sources or objects, without spaces, that does not begin with a wildcard",
    ),
]
"""Scripts of sh and fnmatch read it alike."""
CompilerFlag = Annotated[
    str,
    TextForm(r"-[A-Za-z0-9_=,.+:-]+", "an option of a compiler, which begins with '-' and has no spaces"),
]
CostText = Annotated[str, TextForm(r"[1-9]\d{0,3} (s|min)", "a duration such as 40 s or 8 min")]


@cache
def _allows(specifiers: str, version: str) -> bool:
    """Whether specifiers allow a version; a large farm asks the same for each recipe."""
    return SpecifierSet(specifiers).contains(version)


def cost_of(text: str) -> int:
    """The seconds that a `CostText` means."""
    number, _, unit = text.partition(" ")
    return int(number) * {"s": 1, "min": 60}[unit]


class KnownFailure(StrictModel):
    """A test of the upstream suite that fails here, and why that is no fault of the wheel."""

    test: str = Field(
        min_length=1, description="Its pytest id, of a function for all its parameters; * and ? are wildcards"
    )
    reason: ReasonText = Field(description="Why it fails, found by looking")
    platforms: list[PlatformName] | None = Field(default=None, min_length=1)
    variants: list[str] | None = Field(default=None, min_length=1)
    run: bool = Field(default=True, description="false: not even run, since it would crash or hang")


class Suite(StrictModel):
    """The upstream test suite, from the wheel `<name>-tests`; `nox -s test-<name>` runs it."""

    requires: list[RequirementText] = Field(
        default=[], description="What it needs beside pytest and pytest-xdist; locked in suite.lock"
    )
    args: list[str] = Field(
        default=[],
        description='Arguments of pytest, such as ["--pyargs", "numpy"], or ["{site-packages}/numpy"] where '
        "options of the package's own conftest.py follow",
    )
    fast: list[str] = Field(default=[], description="Further arguments that select upstream's quick subset")
    environment: dict[VariableName, str] = Field(
        default={},
        description="Variables that the tests see",
        json_schema_extra={"additionalProperties": False},
    )
    time_limit: float = Field(default=7200, gt=0, description="Seconds")
    known_failures: list[KnownFailure] = Field(
        default=[], description="Run as expected failures; one that passes is reported"
    )


class Test(StrictModel):
    """What a repaired wheel must pass in a fresh environment."""

    imports: list[Module] | None = Field(default=None, description="Modules that must import")
    skip_imports: dict[Module, ReasonText] | None = Field(
        default=None,
        description="Import packages of the wheel that are not imported → the reason, which the record keeps",
        json_schema_extra={"additionalProperties": False},
    )
    smoke: FileText | None = Field(default=None, description="A script that must end with exit code 0")
    time_limit: float | None = Field(default=None, gt=0, description="Seconds")
    downstream: list[NameText] | None = Field(
        default=None,
        description="Recipes whose stored wheels must pass their smoke tests with a new wheel of this one; "
        "by default all that need it to run",
    )
    suite: Suite | None = Field(default=None, description="The upstream test suite")


class Requires(StrictModel):
    """Packages of the farm that this one needs."""

    host: list[NameText] = Field(
        default=[], description="Compiled or linked against; in the build environment"
    )
    run: list[NameText] = Field(default=[], description="Needed by the installed wheel")


class BuildRequires(StrictModel):
    """Edits of the project's own `[build-system] requires`."""

    add: list[RequirementText] = []
    remove: list[NameText] = []
    replace: dict[str, RequirementText] = Field(default={}, description="Name → the requirement in its place")
    loosen: list[NameText] = Field(
        default=[], description="Drop the upper bound (not numpy's: it is an ABI statement)"
    )


class Patch(StrictModel):
    """One patch of the series, and what it is for."""

    file: FileText
    versions: Specifiers | None = None
    variants: list[str] | None = Field(default=None, min_length=1)
    platforms: list[PlatformName] | None = Field(default=None, min_length=1)

    def is_for(self, version: str) -> bool:
        """Whether its `versions` allow a version of the recipe."""
        return SpecifierSet(self.versions or "").contains(version, prereleases=True)


class Split(StrictModel):
    """A further wheel from the same compile: part of what is installed, as a distribution of its own."""

    name: NameText | None = Field(
        default=None, description="What the index calls it; by default <recipe>-<key>, as scipy-tests"
    )
    summary: str | None = Field(default=None, description="One line for its metadata")
    install_tags: list[InstallTag] | None = Field(
        default=None, min_length=1, description="It gets what Meson installs with one of these tags"
    )
    files: list[str] | None = Field(
        default=None,
        min_length=1,
        description="It gets the members that one of these globs matches",
    )
    imports: list[Module] = Field(
        default=[], description="Modules that must import where it is installed beside the main wheel"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.install_tags is None) is (self.files is None):
            raise ValueError("a split says either install-tags or files")
        return self


class SystemPackages(StrictModel):
    """Packages of the system, per package manager."""

    apt: list[str] = []
    dnf: list[str] = []


class Repair(StrictModel):
    """What the repair tool does not copy."""

    exclude: list[LibraryGlob] = Field(
        default=[],
        description="Globs of the file names of libraries that stay out, since wheels that it needs to run "
        "install them; each must match",
    )


class Profile(StrictModel):
    """What a profile-guided build is trained with."""

    script: FileText | None = Field(
        default=None,
        description="A Python script that the farm runs with a first build of the wheel, on Linux with GCC: "
        "what it spends its time in is compiled for speed, and what it never runs for size",
    )


class Layer(StrictModel):
    """What each layer may say."""

    config_settings: dict[ConfigKey, str | list[str]] = Field(
        default={}, description="PEP 517 config settings", json_schema_extra={"additionalProperties": False}
    )
    environment: dict[VariableName, str] = Field(
        default={},
        description="Reaches the build unchanged",
        json_schema_extra={"additionalProperties": False},
    )
    compiler_flags: dict[SourceGlob, list[CompilerFlag]] = Field(
        default={},
        description="Glob of the end of the paths of sources or objects → flags that their compiles get "
        "last, on Linux and macOS, in place of a profile; of several globs the last one counts most, and "
        "each must match",
        json_schema_extra={"additionalProperties": False},
    )
    profile: Profile = Profile()
    system_packages: SystemPackages = SystemPackages()
    cibuildwheel: dict[str, Any] = Field(
        default={}, description="Further options of cibuildwheel, passed through"
    )
    repair: Repair = Repair()
    expect: Expect = Expect()
    test: Test = Test()


class Layers(StrictModel):
    """A layer over the recipe: it must say whether it appends or replaces."""

    append: Layer = Field(
        default=Layer(), description="Adds list items and new keys; an existing value is an error"
    )
    replace: Layer = Field(default=Layer(), description="Takes the place of existing values")


class Skip(StrictModel):
    """Targets and variants that this recipe is not built for."""

    targets: str = Field(default="*", description="A glob over build identifiers, such as *-win32")
    variants: list[str] | None = Field(
        default=None, min_length=1, description="In these variants only; by default in all"
    )
    reason: str

    @model_validator(mode="after")
    def _not_everything(self) -> Self:
        if self.variants is None and "targets" not in self.model_fields_set:
            raise ValueError("a skip names targets or variants")
        return self


class Layered(Layer):
    """Values, and layers over them."""

    variants: dict[str, Layers] = Field(default={}, description="Layers by variant")
    platforms: dict[PlatformName, Layers] = Field(default={}, description="Layers by platform")
    targets: dict[str, Layers] = Field(default={}, description="Layers by a glob over build identifiers")


class Recipe(Layered):
    """How we build one distribution."""

    model_config = ConfigDict(json_schema_extra={"$comment": "generated: inv recipe.schema"})

    name: NameText
    version: VersionText
    summary: str = Field(description="One line: what it is, and what is special about how we build it")
    python: Specifiers = ">=3.11"
    source: Annotated[SdistSource | GitSource | ArchiveSource | WheelSource, Field(discriminator="kind")]
    nightly: Nightly | None = Field(default=None, description="The branch that `--nightly` builds")
    compilers: list[Literal["c", "c++", "fortran"]] = Field(
        default=["c", "c++"], description="Languages compiled; none for a pure wheel"
    )
    minimum_compilers: dict[Literal["gcc", "clang"], VersionText] = Field(
        default={},
        description="Compiler → the oldest version that its source builds with, as its build files say; "
        "`inv doctor` compares",
    )
    abi: Literal["none"] | None = Field(
        default=None,
        description="none: one wheel serves all Pythons of a platform, as that of a C library",
    )
    cpus: int = Field(default=1, ge=1, description="Processors without which the build should not be started")
    memory: SizeText | None = Field(default=None, description="What the build holds at its peak, as 3G")
    exclusive: bool = Field(default=False, description="Whether nothing else may run at the same time")
    cost: CostText | None = Field(
        default=None,
        description="Processor time of the build on one core of the reference machine, such as 8 min: "
        "the estimate before the first build",
    )
    isolation: Literal["none"] | None = Field(
        default=None, description="none: the build has a network, and on the host sees what its user sees"
    )
    isolation_reason: ReasonText | None = Field(
        default=None, description="Why the build cannot do without; required with isolation"
    )
    blas: bool = Field(default=False, description="Whether it links the BLAS and LAPACK of the variant")
    requires: Requires = Requires()
    build_requires: BuildRequires = BuildRequires()
    metadata: MetadataEdits = MetadataEdits()
    min_age_exempt: dict[NameText, ReasonText] = Field(
        default={},
        description="Distribution → why its files may be younger than `--min-age`, or have no date: what the "
        "locks pin, or the recipe itself for its source",
    )
    patches: list[Patch] = []
    skip: list[Skip] = []
    splits: dict[SplitKey, Split] = Field(
        default={},
        description="Further wheels from the same compile",
        json_schema_extra={"additionalProperties": False},
    )
    farm: Layers = Field(
        default=Layers(), description="Layer over the farm's defaults, where the recipe says otherwise"
    )

    base: bool = Field(
        default=True,
        description="false: takes the place of the recipe of this name in the farm's base, in place of lying "
        "over it",
    )

    @model_validator(mode="after")
    def _isolated_without_reason(self) -> Self:
        if (self.isolation is None) is not (self.isolation_reason is None):
            raise ValueError('isolation = "none" needs an isolation-reason, and only that does')
        return self

    @model_validator(mode="after")
    def _one_local_version(self) -> Self:
        if self.metadata.local_version is not None and "+" in self.version:
            raise ValueError("`version` has a local part already: metadata.local-version cannot add one")
        return self

    @property
    def wheel_version(self) -> str:
        """The version of its wheel: that of the source, with the local part that the recipe asks for."""
        local = self.metadata.local_version
        return self.version if local is None else str(Version(f"{self.version}+{local}"))

    @property
    def languages(self) -> list[str]:
        """The languages that its build compiles; none where a public wheel is taken over."""
        return [] if isinstance(self.source, WheelSource) else [*self.compilers]

    @property
    def compiled(self) -> bool:
        """Whether its wheel holds compiled code; one that does not is pure."""
        return bool(self.languages)

    @property
    def for_one_python(self) -> bool:
        """Whether each Python needs a wheel of its own."""
        return self.compiled and self.abi is None

    def supports(self, python: Python) -> bool:
        """Whether it is built for a Python."""
        return _allows(self.python, f"{python.major}.{python.minor}")

    def shared_by(self, target: Target) -> str:
        """What the targets that share a wheel have in common: nothing, a platform, or the identifier."""
        if not self.compiled:
            return "any"
        return target.identifier if self.for_one_python else target.platform_suffix

    @property
    def named_splits(self) -> dict[str, Split]:
        """The splits by the name of their distribution."""
        return {split.name or f"{self.name}-{key}": split for key, split in sorted(self.splits.items())}


def recipe_schema() -> str:
    """The JSON Schema of recipe.toml, for editors; committed as docs/reference/recipe.schema.json."""
    schema: dict[str, Any] = Recipe.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "wheelfarm recipe"
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"
