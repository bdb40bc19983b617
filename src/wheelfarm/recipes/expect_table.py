"""The table `[expect]` of a recipe: what must be true of its repaired wheel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from wheelfarm.recipes.strict import ReasonText, SizeText, StrictModel, TextForm, suggestion
from wheelfarm.wheels.instruction_sets import NATIVE
from wheelfarm.wheels.rules import RULES, parse_allowance

InstructionSet = Literal[
    "x86-64",
    "x86-64-v2",
    "x86-64-v3",
    "x86-64-v4",
    "armv8-a",
    "armv8.1-a",
    "armv8.3-a",
    "armv8.4-a",
    "armv9-a",
    "native",
]


class MaxSize(StrictModel):
    """The largest that a wheel may be."""

    file: SizeText | None = Field(default=None, description="As it is stored and fetched")
    unpacked: SizeText | None = Field(default=None, description="All its members, as they are installed")


class Files(StrictModel):
    """Members of the wheel, as globs in which * matches / too."""

    present: list[str] = Field(default=[], description="Each must match something")
    absent: list[str] = Field(default=[], description="None may match anything")


class Expect(StrictModel):
    """What must be true of the repaired wheel."""

    blas: Literal["openblas", "reference", "accelerate", "mkl", "none"] | None = Field(
        default=None, description="Provider of BLAS and LAPACK, found in the binaries"
    )
    interface: Literal["lp64", "ilp64"] | None = Field(
        default=None, description="Integers of BLAS: 32 or 64 bit"
    )
    tests: bool | None = Field(
        default=None, description="false: no test suite inside; true: it must be there"
    )
    stripped: bool | None = Field(
        default=None,
        description="true: nothing that was built has a symbol table or debug information; false: some has",
    )
    max_size: MaxSize | None = Field(default=None, description="The largest that the wheel may be")
    needs: list[str] | None = Field(
        default=None,
        description="Globs of the libraries that may be needed from outside the wheel; any other is an error",
    )
    vendors: list[str] | None = Field(
        default=None,
        description="Globs of the libraries that repair may put in; any other is an error",
    )
    instruction_set: InstructionSet | None = Field(
        default=None,
        description="The level that the binaries need, and none above it; native: this machine's, which is "
        "then in the build key",
    )
    cpu_dispatch: list[str] | None = Field(
        default=None, description="CPU features that it uses where they are, as numpy reports them"
    )
    files: Files | None = Field(default=None, description="What is in the wheel, and what is not")
    platform_tag: (
        Annotated[
            str,
            TextForm(
                r"((manylinux|musllinux|macosx)_[0-9]+_[0-9]+|win32|win_[a-z0-9]+|any)",
                "a platform tag without the processor, such as manylinux_2_28, macosx_11_0 or win_amd64",
            ),
        ]
        | None
    ) = Field(default=None, description="The newest system that the wheel may ask for, as manylinux_2_28")
    abi3: bool | None = Field(default=None, description="Whether it is for the stable ABI")
    numpy_api: Annotated[str, Field(pattern=r"^[12]\.\d{1,2}$")] | None = Field(
        default=None,
        description="The newest C API of NumPy that the extension modules ask for, as 2.0: the wheel works "
        "with each NumPy 2 that has it",
    )
    extensions: bool | None = Field(
        default=None,
        description="Whether there are extension modules; by default there must be when anything is "
        "compiled, unless the recipe says an abi",
    )
    allow: dict[str, ReasonText] | None = Field(
        default=None,
        description="What the examination may find: the name of its rule, or `rule: glob of members` → the "
        "reason; each must be found",
    )

    @property
    def native(self) -> bool:
        """Whether the bytes may depend on the processor of the build."""
        rules = {parse_allowance(key)[0] for key in self.allow or ()}
        return self.instruction_set == NATIVE or not rules.isdisjoint({"native-code", "native-tuning"})

    @field_validator("allow")
    @classmethod
    def _known_rules(cls, allow: dict[str, ReasonText] | None) -> dict[str, ReasonText] | None:
        for key in allow or {}:
            name, _ = parse_allowance(key)
            if name not in RULES:
                raise ValueError(f"{name!r} is no rule of the examination: {suggestion(name, RULES)}")
        return allow
