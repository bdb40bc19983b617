"""Selection, recipes and targets to builds in order, each with its key and reasons. Pure data."""
