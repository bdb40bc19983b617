"""A runner for GitHub Actions workflows: what the farm's own do not use is an error in it."""
