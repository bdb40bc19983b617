"""Real installers read the farm's index, over HTTP and with a decoy beside it that has higher versions."""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import sys
import time
import tomllib
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from support.farm import write_farm
from support.publishing import RECIPES, decoy_index, store
from support.raised import only
from wheelfarm.errors import NetworkError, UsageError
from wheelfarm.index.consumer import Tool, consumer_lines
from wheelfarm.index.serve import check_host, serving
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.index import Index

NAMES = {"alpha": "1.0", "beta": "1.0"}
PIP = "pip download --isolated --no-cache-dir --disable-pip-version-check"
ROOT = Path("wheelhouse")
UV = "uv --no-config --no-cache --no-progress"


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    """alpha 1.0, beta 1.0 which needs alpha and third, and a yanked alpha 1.5."""
    wheelhouse = Wheelhouse(tmp_path / "farm" / "wheelhouse")
    any_tag = partial(store, wheelhouse, tag="py3-none-any")
    any_tag("alpha", "1.0")
    any_tag("alpha", "1.5")
    any_tag("beta", "1.0", requires=["alpha", "third"])
    wheelhouse.yank("plain", "alpha", lambda file: file.version == "1.5", "wrong results")  # type: ignore[arg-type]
    return wheelhouse


@pytest.fixture
def decoy(tmp_path: Path) -> Index:
    """Another index: higher versions of the farm's names, and what the farm does not have."""
    return decoy_index(tmp_path)


@contextmanager
def served(wheelhouse: Wheelhouse) -> Iterator[str]:
    with serving(wheelhouse.root, host="127.0.0.1", port=0) as url:
        yield url


def run(program: str, *words: object, **more: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", *program.split(), *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload, no-any-return]


def got(directory: Path) -> set[str]:
    return {"-".join(path.name.split("-")[:2]) for path in directory.glob("*.whl")}


class TestServer:
    @pytest.mark.slow
    def test_pip_and_uv_install_over_http(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        with served(wheelhouse) as url:
            index = f"{url}/plain/simple"
            done = run(PIP, "--no-deps", "--index-url", index, "--dest", tmp_path / "got", "beta", "alpha")
            assert done.returncode == 0, done.stderr
            site = ("--python", sys.executable, "--target", tmp_path / "site")
            done = run(f"{UV} pip install --no-deps --index-url {index}", *site, "beta", "alpha")
            assert done.returncode == 0, done.stderr
            pinned = run(PIP, "--no-deps", "--index-url", index, "--dest", tmp_path / "pinned", "alpha==1.5")
        # Only who pins a yanked version gets it.
        assert got(tmp_path / "got") == {"alpha-1.0", "beta-1.0"}
        assert "VERSION = '1.0'" in (tmp_path / "site/alpha.py").read_text()
        assert got(tmp_path / "pinned") == {"alpha-1.5"}
        assert "wrong results" in pinned.stderr + pinned.stdout

    def test_pages_have_relative_urls(self, wheelhouse: Wheelhouse) -> None:
        with served(wheelhouse) as url:
            page = f"{url}/plain/simple/alpha/"
            html = requests.get(page.rstrip("/"), timeout=5)
            assert html.url == page
            assert html.headers["Content-Type"].startswith("text/html")
            assert 'data-yanked="wrong results"' in html.text
            files = requests.get(f"{page}index.json", timeout=5).json()["files"]
            wheel = requests.get(page + files[0]["url"], timeout=5)
            assert len(wheel.content) == files[0]["size"]

    @pytest.mark.parametrize(
        "path", ["/plain/simple/../../../secret", "/plain/simple/%2e%2e/%2e%2e/%2e%2e/secret", "/nosuch/"]
    )
    def test_nothing_outside_the_wheelhouse_is_served(self, wheelhouse: Wheelhouse, path: str) -> None:
        (wheelhouse.root.parent / "secret").write_text("secret")
        with served(wheelhouse) as url:
            request = requests.Request("GET", url).prepare()
            request.url = url + path
            assert requests.Session().send(request, timeout=5).status_code == 404

    def test_a_host_that_others_can_reach_is_an_error(self) -> None:
        for host in ("0.0.0.0", "::", "example.org", "192.0.2.1"):  # noqa: S104 - refused
            assert "pypi-server" in str(only(partial(check_host, host, ROOT), UsageError).hint)
        for host in ("localhost", "127.0.0.1", "127.1.2.3", "::1"):
            check_host(host, ROOT)

    def test_a_port_in_use_is_an_error(self, wheelhouse: Wheelhouse) -> None:
        with served(wheelhouse) as url:
            port = int(url.rpartition(":")[2])
            again = serving(wheelhouse.root, host="127.0.0.1", port=port)
            assert "port" in only(again.__enter__, NetworkError).what

    def test_a_client_that_goes_away_is_logged_in_one_line(
        self, wheelhouse: Wheelhouse, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        big = next(wheelhouse.root.glob("plain/wheels/*/alpha-1.0*.whl"))
        big.write_bytes(bytes(20_000_000))
        with caplog.at_level("INFO"), served(wheelhouse) as url:
            host, _, port = url.removeprefix("http://").partition(":")
            path = big.relative_to(wheelhouse.root).as_posix()
            with socket.create_connection((host, int(port))) as client:
                # Closed with a reset, as by somebody who has pressed Ctrl-C.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                client.recv(1)
            while len(caplog.messages) < 2:
                time.sleep(0.01)
        assert re.match(r"127\.0\.0\.1 (ConnectionReset|BrokenPipe)Error", caplog.messages[-1])
        assert "Traceback" not in capfd.readouterr().err


class TestDecoy:
    """The settings that are documented do not install it; the ones that are warned of do."""

    @pytest.mark.slow
    def test_uv(self, wheelhouse: Wheelhouse, decoy: Index, tmp_path: Path) -> None:
        with served(wheelhouse) as url:
            lines = "\n".join(self._lines(Tool.UV, url))
            # What most people write, and what uv's `explicit` alone comes to.
            explicit = lines.replace("[tool.uv.sources]", "explicit = true\n\n[tool.uv.sources]")
            assert self._locked(tmp_path / "explicit", explicit, decoy)["alpha"] == "9.0"
            found = self._locked(tmp_path / "ours", lines, decoy)
        assert found == {"alpha": "1.0", "app": "0", "beta": "1.0", "third": "2.0"}

    def _lines(self, tool: Tool, url: str) -> list[str]:
        return consumer_lines(tool, index="internal", url=f"{url}/plain/simple/", names=NAMES)  # type: ignore[arg-type]

    def _locked(self, project: Path, settings: str, decoy: Index) -> dict[str, str]:
        project.mkdir()
        (project / "pyproject.toml").write_text(
            '[project]\nname = "app"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["beta"]\n'
            f'{settings}\n[[tool.uv.index]]\nname = "public"\nurl = "{decoy.url}"\ndefault = true\n'
        )
        done = run("uv --no-cache lock", "--python", sys.executable, "--directory", project)
        assert done.returncode == 0, done.stderr
        packages = tomllib.loads((project / "uv.lock").read_text())["package"]
        return {package["name"]: package["version"] for package in packages}

    @pytest.mark.slow
    def test_pip_with_one_index(self, wheelhouse: Wheelhouse, decoy: Index, tmp_path: Path) -> None:
        pip = PIP.replace("--isolated ", "") + " --no-deps"
        with served(wheelhouse) as url:
            config = tmp_path / "pip.conf"
            config.write_text("\n".join(self._lines(Tool.PIP, url)))
            env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PIP_CONFIG_FILE": str(config)}
            assert run(pip, "--dest", tmp_path / "ours", "alpha", env=env).returncode == 0
            # The warning in these settings is no empty one.
            wrong = run(pip, "--dest", tmp_path / "theirs", "--extra-index-url", decoy.url, "alpha", env=env)
            assert wrong.returncode == 0
        assert got(tmp_path / "ours") == {"alpha-1.0"}
        assert got(tmp_path / "theirs") == {"alpha-9.0"}

    @pytest.mark.slow
    def test_pip_with_hashes(self, wheelhouse: Wheelhouse, decoy: Index, tmp_path: Path) -> None:
        root = tmp_path / "farm"
        write_farm(root, RECIPES, settings={"index-url": decoy.url})
        (root / "tasks.py").write_text(
            "from wheelfarm.cli.program import collection\n\nnamespace = collection()\n"
        )
        locked = run("invoke index.export beta --output", tmp_path / "lock.txt", cwd=root)
        assert locked.returncode == 0, locked.stderr
        text = (tmp_path / "lock.txt").read_text()
        assert "alpha==1.0 \\" in text
        assert "third==2.0 \\" in text
        with served(wheelhouse) as url:
            both = ("--index-url", decoy.url, "--extra-index-url", f"{url}/plain/simple/")
            done = run(PIP, *both, "--dest", tmp_path / "got", "--requirement", tmp_path / "lock.txt")
            assert done.returncode == 0, done.stderr
            assert got(tmp_path / "got") == {"alpha-1.0", "beta-1.0", "third-2.0"}
            ours = json.loads((wheelhouse.root / "plain/simple/alpha/index.json").read_text())["files"][0]
            assert ours["hashes"]["sha256"] in text
            # The decoy's own alpha 1.0 has other bytes.
            done = run(PIP, "--index-url", decoy.url, "--dest", tmp_path / "x", "-r", tmp_path / "lock.txt")
            assert done.returncode != 0

    def test_poetry_and_docker_name_the_index_for_each_package(self) -> None:
        poetry = tomllib.loads("\n".join(self._lines(Tool.POETRY, "https://index.invalid")))["tool"]["poetry"]
        assert poetry["source"][0]["priority"] == "explicit"
        assert {each["source"] for each in poetry["dependencies"].values()} == {"internal"}
        assert set(poetry["dependencies"]) == set(NAMES)
        docker = "\n".join(self._lines(Tool.DOCKER, "https://index.invalid"))
        assert docker.startswith("# syntax=docker/dockerfile:1\n")
        assert "--require-hashes" in docker
