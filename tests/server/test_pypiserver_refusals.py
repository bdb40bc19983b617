"""What is not published to a real pypiserver: refused before the first byte, or by the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.publishing import TARGETS, store
from support.raised import only
from support.uploads import farm_for, logs, publish
from wheelfarm.errors import ConflictError, FarmError, IncompleteError, PublishError, UnprovenError

if TYPE_CHECKING:
    from pathlib import Path

    from support.faults import Proxy


def test_other_bytes_under_a_published_name(tmp_path: Path, faulty: Proxy) -> None:
    publish(farm_for(tmp_path / "first", faulty.url))
    faulty.requests.clear()
    farm = farm_for(tmp_path / "second", faulty.url, content="other", inputs_of="")
    with pytest.raises(FarmError) as caught:
        publish(farm)
    problems = caught.value.errors  # type: ignore[attr-defined]
    assert {type(each) for each in problems} == {ConflictError}
    assert len(problems) == 4
    assert "build number 2" in str(problems[0].hint)
    assert faulty.count("POST") == 0


def test_a_release_without_a_target(tmp_path: Path, faulty: Proxy) -> None:
    farm = farm_for(tmp_path / "farm", faulty.url)
    store(farm.wheelhouse, "beta", "2.0", TARGETS[0], requires=["alpha"])
    error = only(lambda: publish(farm), IncompleteError)
    assert error.what == "beta is not complete: no wheel for cp312-manylinux_x86_64"
    assert faulty.count("POST") == 0


def test_a_wheel_changed_after_its_gate(tmp_path: Path, faulty: Proxy) -> None:
    farm = farm_for(tmp_path / "farm", faulty.url)
    wheel = next(farm.wheelhouse.root.glob("plain/wheels/*/beta*cp312*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\n")
    with pytest.raises(UnprovenError, match="changed after its gate"):
        publish(farm)
    assert faulty.count("POST") == 0


def test_a_wheel_without_its_record(tmp_path: Path, faulty: Proxy) -> None:
    farm = farm_for(tmp_path / "farm", faulty.url)
    for record in farm.wheelhouse.root.glob("plain/records/*.json"):
        record.unlink()
    with pytest.raises(UnprovenError, match="has no build record"):
        publish(farm)
    assert faulty.count("POST") == 0


@pytest.mark.parametrize("password", ["", "wrong password"])
def test_no_right_password(tmp_path: Path, faulty: Proxy, password: str, messages: list[str]) -> None:
    farm = farm_for(tmp_path / "farm", faulty.url, TWINE_PASSWORD=password)
    with pytest.raises(PublishError) as caught:
        publish(farm)
    assert "status 40" in str(caught.value.why)
    assert "password" in str(caught.value.hint).lower()
    assert faulty.count("POST") == 1
    seen = str(caught.value) + "".join(messages) + logs(farm)
    assert "wrong password" not in seen
