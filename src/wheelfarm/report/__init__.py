"""The only package that prints: console, progress, HTML."""
