"""The invoke tasks and nox sessions: parse, call, nothing else."""
