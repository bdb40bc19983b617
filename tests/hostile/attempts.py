"""Ways out of a build, tried by the setup.py of a hostile package; see test_hostile.py.

Uses the standard library only. `targets.json` beside it names what is outside. Each attempt returns when it
got out, and raises when it did not. What writes a mark raises in any case: only outside is it seen whether
the mark is there. The last line that is printed has the names of those that got out.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
T = json.loads((HERE / "targets.json").read_text())
ATTEMPTS: dict[str, Callable[[], object]] = {}
LIMIT = 2.0


def attempt(function: Callable[[], object]) -> Callable[[], object]:
    ATTEMPTS[function.__name__] = function
    return function


class MarkedError(Exception):
    """A mark was written, wherever that is."""


def mark(*directory: str) -> None:
    """Write a file that is named after the attempt."""
    Path(*directory, f"mark-{sys._getframe(1).f_code.co_name}").touch()
    raise MarkedError


def find_process(check: Callable[[Path], bool]) -> None:
    """Raise unless a process passes that can be read."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if check(path):
                return
        except OSError:
            continue
    raise OSError("there is no such process")


def unix(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(address)


# Network.


@attempt
def tcp() -> None:
    socket.create_connection(("127.0.0.1", T["port"]), LIMIT).close()


@attempt
def udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(LIMIT)
        sock.sendto(b"hostile", ("127.0.0.1", T["udp"]))
        sock.recv(16)


@attempt
def route_to_the_internet() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("192.0.2.1", 53))  # sends nothing; the address is for documentation (RFC 5737)


@attempt
def raw_ip() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.sendto(b"\x08\x00\xf7\xff\x00\x00\x00\x00", ("192.0.2.1", 0))


@attempt
def dns() -> None:
    socket.getaddrinfo("pypi.org", 443)


@attempt
def curl_without_proxies() -> None:
    if shutil.which("curl"):
        words = ["curl", "--silent", "--noproxy", "*", "--max-time", "2", f"http://127.0.0.1:{T['port']}/"]
        subprocess.run(words, check=True, capture_output=True)
    else:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(f"http://127.0.0.1:{T['port']}/", timeout=LIMIT).close()


@attempt
def abstract_socket() -> None:
    unix("\0" + T["abstract"])


# The user: files, keys, agents, secrets.


@attempt
def netrc() -> None:
    Path(T["home"], ".netrc").read_text()


@attempt
def ssh_key() -> None:
    Path(T["home"], ".ssh", "id_ed25519").read_text()


@attempt
def real_home() -> None:
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    if T["container"] or not any(path.is_file() for path in home.iterdir()):
        raise OSError("it has no files of this machine")


@attempt
def ssh_agent() -> None:
    unix(T["agent"])


@attempt
def docker_socket() -> None:
    unix(T["docker"])


@attempt
def environment_of_ancestors() -> None:
    find_process(lambda process: T["secret"].encode() in (process / "environ").read_bytes())


@attempt
def root_of_ancestors() -> None:
    find_process(lambda process: (process / "root" / T["home"].lstrip("/")).exists())


@attempt
def signal_to_ancestors() -> None:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if T["runner"].encode() in path.read_bytes():
            os.kill(int(path.parent.name), 0)
            return
    raise OSError("there is no such process")


# The farm: its store, recipes and code, other builds, caches.


@attempt
def store() -> None:
    mark(T["farm"], "wheelhouse")


@attempt
def recipes() -> None:
    mark(T["farm"], "recipes", "tinyleaf")


@attempt
def source_cache() -> None:
    mark(T["farm"], "cache")


@attempt
def code_of_the_farm() -> None:
    Path(T["code"]).read_text()


@attempt
def kept_build_directory() -> None:
    Path(T["stages"], "other", "secret").read_text()


@attempt
def next_build() -> None:
    mark(T["stages"], "other")


@attempt
def compiler_cache_of_another_recipe() -> None:
    own = Path(os.environ["CCACHE_DIR"])
    mark(next(str(each) for each in (Path(T["ccache"]), own.parent, own) if each.is_dir()), "tinybase")


# What the farm reads after the build.


@attempt
def script_of_the_environment_report() -> None:
    scripts = (HERE.parent / "inside", Path("/wheelfarm/scripts"))
    path = next(each / "environment_report.py" for each in reversed(scripts) if each.is_dir())
    with path.open("a") as file:
        file.write("# hostile")


@attempt
def directory_of_the_reports() -> None:
    mark(str(HERE.parent / "dist"))


@attempt
def answer_of_the_gate() -> None:
    (HERE.parent / "gate").mkdir(exist_ok=True)
    mark(str(HERE.parent / "gate"))


# The system.


@attempt
def system_library() -> None:
    mark("/usr/local/lib")


@attempt
def setuid_file() -> None:
    path = HERE / "suid"
    shutil.copyfile(shutil.which("true") or "", path)
    path.chmod(0o4755)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    if os.statvfs(path).f_flag & os.ST_NOSUID or status["NoNewPrivs"].strip() == "1":
        raise OSError("it would have no effect")


@attempt
def block_device() -> None:
    path = HERE / "device"
    os.mknod(path, 0o600 | stat.S_IFBLK, T["device"])
    path.open("rb").close()


@attempt
def shared_memory() -> None:
    Path("/dev/shm", T["shm"]).read_text()


@attempt
def system_v_memory() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.shmget(T["key"], 16, 0) < 0:
        raise OSError(ctypes.get_errno(), "shmget")


@attempt
def temporary_files() -> None:
    Path(T["temporary"]).read_text()


def stay_behind() -> None:
    """A process in a session of its own, which the test looks for after the build."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in range(3):
                os.close(number)
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(120)", T["daemon"]])
        os._exit(0)
    os.wait()
    time.sleep(0.2)


def main() -> None:
    out = []
    for name, function in ATTEMPTS.items():
        try:
            function()
        except Exception as error:
            print(f"hostile attempt {name}: {type(error).__name__}: {error}")
        else:
            out.append(name)
    stay_behind()
    print("hostile result:", json.dumps({"tried": list(ATTEMPTS), "out": out}))


main()
