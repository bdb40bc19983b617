"""Network namespaces for the processes of a test: each has an address of its own, as machines do."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Self

_FIRST: Final = 10
"""The last number of the first namespace's address; 1 is this side of the bridge."""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass
class Network:
    """A bridge of this machine, and namespaces on it; only root can make them.

    All end with the block. Nothing leaves the machine: the addresses are private, and none is a gateway.
    """

    number: int = 0
    used: set[int] = field(default_factory=set)
    """The last numbers of the addresses."""

    def __enter__(self) -> Self:
        # Another run on this machine may have the same idea.
        for number in random.sample(range(1, 250), 20):
            try:
                _ip("link", "add", f"wheelfarm{number}", "type", "bridge")
            except subprocess.CalledProcessError:
                continue
            self.number = number
            break
        assert self.number, "no bridge can be made"
        _ip("addr", "add", f"{self._address(1)}/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for number in tuple(self.used):
            self.remove(self._address(number))
        subprocess.run(["ip", "link", "delete", self.bridge], check=False)

    @property
    def bridge(self) -> str:
        """The name of the bridge."""
        return f"wheelfarm{self.number}"

    def _address(self, number: int) -> str:
        return f"10.213.{self.number}.{number}"

    def add(self) -> tuple[list[str], str]:
        """A new namespace: the words before a command that runs there, and its address."""
        number = next(each for each in range(_FIRST, 255) if each not in self.used)
        name, address = self._name(number), self._address(number)
        _ip("netns", "add", name)
        self.used.add(number)
        _ip("link", "add", self._link(number), "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", self._link(number), "master", self.bridge, "up")
        _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _ip("-n", name, "link", "set", link, "up")
        return ["ip", "netns", "exec", name], address

    def remove(self, address: str) -> None:
        """Remove a namespace; what still runs there has no network from now on."""
        number = int(address.rpartition(".")[2])
        subprocess.run(["ip", "link", "delete", self._link(number)], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", self._name(number)], check=False)
        self.used.discard(number)

    def _name(self, number: int) -> str:
        return f"{self.bridge}-{number}"

    def _link(self, number: int) -> str:
        return f"wf{self.number}-{number}"

    def cut(self, address: str) -> None:
        """Pull the cable of a namespace."""
        _ip("link", "set", self._link(int(address.rpartition(".")[2])), "down")

    def join(self, address: str) -> None:
        """Put the cable back."""
        _ip("link", "set", self._link(int(address.rpartition(".")[2])), "up")


@cache
def can_have_namespaces() -> bool:
    """Whether this user can make network namespaces, as root can where the kernel has them."""
    if shutil.which("ip") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    try:
        with Network() as network:
            network.add()
    except (subprocess.CalledProcessError, AssertionError):
        return False
    return True
