"""Compare with, publish to and verify a private index; settings and locks for its consumers."""
