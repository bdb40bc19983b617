"""The checks that a repaired wheel passes before it is stored: expectations, tests, upstream suites."""
