"""The pipeline (the only place that knows the order), the scheduler, reuse from an index, reproduce."""
