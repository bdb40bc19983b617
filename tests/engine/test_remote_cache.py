"""A real Redis server as the remote storage of the compiler cache, from containers without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.redis import HIT, MISS, elsewhere, farm_with, run_redis, use
from support.tiny import run_farm

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index


def test_what_one_machine_compiles_a_container_of_another_has(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    with run_redis(tmp_path, tmp_path / "stages") as redis:
        farm = farm_with(tmp_path / "farm", index, redis, environ=container, engine="cibuildwheel")
        assert use(run_farm(farm)) == MISS
        assert redis.size() > 0
        assert use(run_farm(elsewhere(farm))) == HIT
