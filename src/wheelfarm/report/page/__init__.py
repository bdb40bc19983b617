"""The survey of a wheelhouse as one HTML page: no script, no network, the same bytes for the same survey."""
