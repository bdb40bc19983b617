"""Source archives, git commits and patch series: download, verify, cache, unpack, patch."""
