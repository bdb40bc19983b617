"""`[tool.wheelfarm]` and recipe.toml as frozen values: layers, locks, checks, JSON Schema."""
