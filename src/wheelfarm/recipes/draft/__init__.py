"""Drafts a recipe for a distribution from what the index has of it."""
