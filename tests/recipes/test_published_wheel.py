"""What the wheel of an index says of the wheel to build."""

from __future__ import annotations

from wheelfarm.recipes.published_wheel import linked_libraries
from wheelfarm.wheels.binary import Binary, BinaryFormat


def elf(member: str, *needed: str, soname: str = "") -> Binary:
    return Binary(member=member, format=BinaryFormat.ELF, machine="x86_64", needed=needed, soname=soname)


def test_modules_have_the_libraries_that_the_repair_tool_put_beside_them() -> None:
    avif, scale = "pic.libs/libavif-c6062d5f.so.16.4.2", "pic.libs/libscale-a1b2c3d4.so.1"
    binaries = [
        elf("pic/_avif.cpython-311-x86_64-linux-gnu.so", "libavif-c6062d5f.so.16.4.2", "libc.so.6"),
        elf("pic/_core.cpython-311-x86_64-linux-gnu.so", "libc.so.6", "libz.so.1"),
        elf("pic/_own.cpython-311-x86_64-linux-gnu.so", "libown.so"),
        elf("pic/libown.so", soname="libown.so"),
        elf(avif, "libscale-a1b2c3d4.so.1", soname="libavif-c6062d5f.so.16.4.2"),
        elf(scale, soname="libscale-a1b2c3d4.so.1"),
    ]
    assert linked_libraries(binaries, {avif, scale}) == {"pic._avif": ("libavif",)}
    assert linked_libraries([], ()) == {}
