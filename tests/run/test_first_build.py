"""What a first wheel says of later ones."""

from __future__ import annotations

import pytest

from wheelfarm.run.first_build import vendor_globs


@pytest.mark.parametrize(
    ("members", "globs"),
    [
        ([], []),
        (["leaf.libs/libyaml-0-2a1b2c3d.so.2.0.9", "leaf.libs/libyaml-0-00000000.so.2"], ["libyaml*"]),
        (["leaf.libs/libzmq-a1b2c3d4.so.5.2.4"], ["libzmq*"]),
        (["leaf.libs/libstdc++-a1b2c3d4.so.6"], ["libstdc++*"]),
        (["leaf/.dylibs/libxml2.2.dylib"], ["libxml2*"]),
        (["leaf.libs/msvcp140-a1b2c3d4.dll"], ["msvcp140*"]),
        (["leaf.libs/liblz4.so"], ["liblz4*"]),
    ],
)
def test_globs_of_vendored_libraries_have_no_hash_and_no_version(
    members: list[str], globs: list[str]
) -> None:
    assert vendor_globs(members) == globs
