"""Builds on the workers of a Dask cluster.

`client` is connected to the scheduler, `pipeline` takes a build through a worker, `worker` is what Dask runs
there, and `child` is the process of one build. `distributed` is imported in functions only: it is an extra.
"""
