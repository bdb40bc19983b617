"""wheelfarm: recipes and patches, and what turns them into a coherent set of wheels."""

__version__ = "0.1.0"
