"""The atomic, content-addressed store of wheels and records, with a simple index over it."""
