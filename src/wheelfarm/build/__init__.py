"""One build: directory, environment, engines, caches, repair, splits, failure diagnosis."""
