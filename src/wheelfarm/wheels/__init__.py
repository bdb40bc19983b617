"""Reads any wheel on any system, rewrites it, and compares two of them."""
