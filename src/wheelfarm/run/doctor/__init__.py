"""Checks of this machine for a farm, each with the command that mends what is wrong."""
