"""Sources and locked wheels: fetched, verified by their sha256, kept in a cache, unpacked safely.

Nothing leaves this room whose bytes are not the pinned ones, and nothing is fetched twice: what the cache
holds is hashed again and used, offline too.
"""

from wheelfarm.sources.cache import Cache
from wheelfarm.sources.fetcher import Fetcher
from wheelfarm.sources.git import git_environment
from wheelfarm.sources.pkg_info import check_pkg_info
from wheelfarm.sources.safety import Limits
from wheelfarm.sources.unpacking import unpack
from wheelfarm.sources.urls import shown

__all__ = ["Cache", "Fetcher", "Limits", "check_pkg_info", "git_environment", "shown", "unpack"]
