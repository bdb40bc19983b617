"""`[tool.wheelfarm.variants.<name>]`, as written in pyproject.toml."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from wheelfarm.recipes.expect_table import Expect
from wheelfarm.recipes.providers import UNPACKED, Provider
from wheelfarm.recipes.recipe import Layer, Repair, SystemPackages
from wheelfarm.recipes.strict import NameText, StrictModel

ProviderText = Annotated[Provider, Field(strict=False)]


class Variant(StrictModel):
    """A named, farm-wide choice; each has its own index in the wheelhouse."""

    description: str
    extends: str | None = Field(
        default=None,
        min_length=1,
        description="Another variant, whose values and layers count where this one says nothing else",
    )
    provider: ProviderText = Provider.NONE
    providers: dict[NameText, ProviderText] = Field(
        default={}, description="Recipe → its provider, where that is another one than the variant's"
    )
    lock: str | None = Field(
        default=None, min_length=1, description="Lock file with the wheels of the provider"
    )
    recipe: NameText | None = Field(
        default=None, description="The recipe whose wheel has the BLAS, where that is the provider"
    )
    system_packages: SystemPackages = SystemPackages()
    expect: Expect = Field(default=Expect(), description="What must be true of a wheel that links its BLAS")
    repair: Repair = Field(default=Repair(), description="What the repair of such a wheel leaves out")

    @model_validator(mode="after")
    def _recipe_of_provider(self) -> Self:
        if (self.provider is Provider.RECIPE) is not (self.recipe is not None):
            raise ValueError('provider = "recipe" needs the name of a recipe, and only that does')
        if Provider.RECIPE in self.providers.values():
            raise ValueError("providers may not be a recipe, which is the provider of a whole variant")
        return self

    @model_validator(mode="after")
    def _lock_of_provider(self) -> Self:
        for provider in (self.provider, *self.providers.values()):
            if self.lock is None and self.extends is None and provider in UNPACKED:
                raise ValueError(f'"{provider}" needs a lock that pins {", ".join(UNPACKED[provider])}')
        return self

    def provider_of(self, recipe: str) -> Provider:
        """The provider of a recipe that links BLAS."""
        return self.providers.get(recipe, self.provider)

    @property
    def blas_layer(self) -> Layer:
        """The layer below each recipe that links its BLAS."""
        return Layer.model_construct({"expect", "repair"}, expect=self.expect, repair=self.repair)
