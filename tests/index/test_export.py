"""Files that pin an installation, installed by pip and uv beside a decoy that has higher versions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock

from support.door import Door
from support.farm import write_farm
from support.publishing import RECIPES, TARGETS, decoy_index, publication, store
from support.raised import raised
from support.servers import served
from support.site_keys import write_keys
from wheelfarm.errors import IncompleteError
from wheelfarm.index.export import (
    ExportedWheel,
    check_targets,
    find_targets,
    render_pylock,
    render_requirements,
    signer_identity,
)
from wheelfarm.model import Digest, Name, Target
from wheelfarm.recipes.locks import parse_lines
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.index import Index

HERE: Final = f"cp{sys.version_info.major}{sys.version_info.minor}-manylinux_x86_64"
ISSUER: Final = "https://token.actions.githubusercontent.com"
SIGNER: Final = "https://github.com/acme/farm/.github/workflows/farm.yml@refs/heads/main"


@pytest.fixture
def decoy(tmp_path: Path) -> Index:
    """The public index: higher versions of the farm's names, other bytes of theirs, and third."""
    return decoy_index(tmp_path)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The url of the published index."""
    (tmp_path / "public").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "public"))
    with served(handler) as host:
        yield f"http://{host}/"


@pytest.fixture
def farm(
    tmp_path: Path,
    decoy: Index,
    url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Door:
    """alpha, and beta which needs it and third, for several targets; and an index that is empty."""
    targets = sorted({HERE, *TARGETS})
    table = {"kind": "static", "url": "../public", "read-url": url, "targets": targets, "signer": SIGNER}
    root = tmp_path / "farm"
    write_farm(root, RECIPES, settings={"index-url": decoy.url, "index": {"internal": table}})
    wheelhouse = Wheelhouse(root / "wheelhouse")
    for target in targets:
        store(wheelhouse, "alpha", target=target)
        store(wheelhouse, "beta", target=target, requires=["alpha", "third"])
    return Door(root, capsys, monkeypatch)


def published(farm: Door) -> Farm:
    made = Farm(settings=load(farm.root, environ=dict(os.environ)))
    publication(made).publish(None)
    return made


def exported(farm: Door, *words: str, code: int = 0) -> str:
    done = farm.inv("index.export", "beta", *words)
    assert done.returncode == code, done.stderr
    return done.stderr + done.stdout


def run(*words: object, **more: Any) -> str:
    argv = [sys.executable, "-m", *map(str, words)]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        argv, capture_output=True, text=True, check=False, **more
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def check_site(site: Path, alpha: str = "1.0") -> None:
    """Raise unless the farm's packages and third are there, and nothing of the decoy's."""
    found = {path.name.removesuffix(".dist-info") for path in site.glob("*.dist-info")}
    assert found == {f"alpha-{alpha}", "beta-1.0", "third-2.0"}
    assert not (site / "evil.py").exists()


def install_by_uv(site: Path, file: Path, *words: object) -> None:
    uv = ("uv", "pip", "install", "--no-config", "--no-cache", "--no-progress", "--python", sys.executable)
    run(*uv, "--target", site, *words, "-r", file)


def install_by_pip(site: Path, file: Path, *words: object) -> None:
    pip = ("pip", "install", "--isolated", "--no-cache-dir", "--disable-pip-version-check")
    run(*pip, "--target", site, *words, "-r", file)


def sync_by_uv(directory: Path, project: Path, decoy: Index) -> Path:
    """The site-packages of the environment that uv makes of a project."""
    env = {**os.environ, "UV_DEFAULT_INDEX": decoy.url, "UV_PROJECT_ENVIRONMENT": str(directory / "env")}
    run("uv", "--no-cache", "--no-progress", "sync", "--python", sys.executable, cwd=project, env=env)
    (site,) = (directory / "env").glob("lib/python*/site-packages")
    return site


def run_instruction(directory: Path, dockerfile: Path, decoy: Index) -> Path:
    """Run the instruction of a Dockerfile in a shell, as a builder does; gives where it installs to."""
    text = dockerfile.read_text()
    (requirements,) = re.findall(
        r'^COPY <<"EOF" requirements\.txt\n(.*?)^EOF$', text, re.MULTILINE | re.DOTALL
    )
    (command,) = re.findall(r"^RUN --mount=type=secret,id=netrc \\\n(.*)", text, re.MULTILINE | re.DOTALL)
    (directory / "requirements.txt").write_text(requirements)
    pip = f"{sys.executable} -m pip install --disable-pip-version-check --target site"
    command = command.replace("pip install", pip).replace("/run/secrets/netrc", str(directory / "none"))
    env = {**os.environ, "PUBLIC_INDEX": decoy.url}
    done = subprocess.run(
        ["sh", "-ec", command], cwd=directory, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return directory / "site"


class TestPylock:
    def test_it_has_hashes_sizes_and_places_of_all_targets(self, farm: Door) -> None:
        exported(farm, "--format", "pylock")
        text = (farm / "pylock.toml").read_text()
        lock = Pylock.from_dict(tomllib.loads(text))
        assert [(each.name, str(each.version)) for each in lock.packages] == [
            ("alpha", "1.0"),
            ("beta", "1.0"),
            ("third", "2.0"),
        ]
        wheels = lock.packages[1].wheels or ()
        assert len(wheels) == len({HERE, *TARGETS})
        for wheel in wheels:
            path = farm / str(wheel.path)
            assert path.stat().st_size == wheel.size
            assert wheel.upload_time is not None
            assert set(wheel.hashes) == {"sha256"}
        assert len(lock.environments or ()) == len(wheels)
        assert str(farm.root) not in text.partition('name = "third"')[0]

    def test_a_second_export_has_the_same_bytes(self, farm: Door) -> None:
        for form, name in (
            ("pylock", "pylock.toml"),
            ("uv", "uv/pyproject.toml"),
            ("requirements", "requirements.txt"),
        ):
            exported(farm, "--format", form)
            first = (farm / name).read_bytes()
            exported(farm, "--format", form)
            assert (farm / name).read_bytes() == first

    def test_uv_installs_it_of_files(self, tmp_path: Path, farm: Door, decoy: Index) -> None:
        exported(farm, "--format", "pylock")
        install_by_uv(tmp_path / "site", farm / "pylock.toml", "--index-url", decoy.url)
        check_site(tmp_path / "site")

    @pytest.mark.slow
    def test_pip_installs_it_of_files(self, tmp_path: Path, farm: Door, decoy: Index) -> None:
        exported(farm, "--format", "pylock")
        install_by_pip(tmp_path / "site", farm / "pylock.toml", "--index-url", decoy.url)
        check_site(tmp_path / "site")

    @pytest.mark.slow
    def test_pip_and_uv_install_it_of_an_index(
        self, tmp_path: Path, farm: Door, decoy: Index, url: str
    ) -> None:
        published(farm)
        exported(farm, "--format", "pylock", "--index", "internal", "--output", "pylock.prod.toml")
        lock = Pylock.from_dict(tomllib.loads((farm / "pylock.prod.toml").read_text()))
        for package in lock.packages[:2]:
            for wheel in package.wheels or ():
                assert str(wheel.url).startswith(f"{url}plain/wheels/")
                assert wheel.size
        for install in (install_by_uv, install_by_pip):
            site = tmp_path / install.__name__
            install(site, farm / "pylock.prod.toml", "--index-url", decoy.url)
            check_site(site)

    def test_changed_bytes_are_not_installed(self, tmp_path: Path, farm: Door) -> None:
        exported(farm, "--format", "pylock")
        for wheel in farm.root.glob("wheelhouse/plain/wheels/*/alpha*.whl"):
            wheel.write_bytes(wheel.read_bytes() + b"x")
        with pytest.raises(AssertionError, match="lockfile records"):
            install_by_uv(tmp_path / "site", farm / "pylock.toml")

    def test_a_key_of_the_site_is_no_identity(self, farm: Door) -> None:
        """Each wheel has a signature, and the lock the hashes alone."""
        url = write_keys(farm.root, "a")
        project = farm / "pyproject.toml"
        lines = f'sign-key = "{url}"\nsigner-keys = [{{ file = "keys/a.pub" }}]'
        project.write_text(project.read_text().replace(f'signer = "{SIGNER}"', lines))
        made = published(farm)
        assert len(list((made.settings.root.parent / "public").rglob("*.whl.sigstore.json"))) == 2 * len(
            {HERE, *TARGETS}
        )
        exported(farm, "--format", "pylock", "--index", "internal")
        assert "attestation-identities" not in (farm / "pylock.toml").read_text()

    def test_identities_are_those_of_the_signer_where_all_wheels_are_signed(self, farm: Door) -> None:
        made = published(farm)
        words = ("--format", "pylock", "--index", "internal")
        exported(farm, *words)
        assert "attestation-identities" not in (farm / "pylock.toml").read_text()
        # There is no identity to sign with here: what the export reads is that a signature is there.
        for wheel in (made.settings.root.parent / "public/plain/wheels").glob("*/alpha*.whl"):
            wheel.with_name(f"{wheel.name}.provenance.sigstore").write_text("{}")
        exported(farm, *words)
        packages = tomllib.loads((farm / "pylock.toml").read_text())["packages"]
        assert [each.get("attestation-identities") for each in packages] == [
            [{"kind": "GitHub", "repository": "acme/farm", "workflow": "farm.yml"}],
            None,
            None,
        ]


@pytest.mark.parametrize(
    ("signer", "identity"),
    [
        (SIGNER, {"kind": "GitHub", "repository": "acme/farm", "workflow": "farm.yml"}),
        (
            "https://gitlab.com/acme/team/farm//.gitlab-ci.yml@refs/heads/main",
            {"kind": "GitLab", "repository": "acme/team/farm", "workflow_filepath": ".gitlab-ci.yml"},
        ),
        ("a@acme.example", {"kind": "Sigstore", "identity": "a@acme.example", "issuer": ISSUER}),
    ],
)
def test_a_signer_is_named_as_indexes_name_publishers(signer: str, identity: dict[str, str]) -> None:
    assert signer_identity(signer, ISSUER) == identity


def test_a_project_of_uv_takes_the_farms_packages_from_the_farm(
    tmp_path: Path, farm: Door, decoy: Index
) -> None:
    exported(farm, "--format", "uv")
    project = farm / "uv"
    check_site(sync_by_uv(tmp_path, project, decoy))
    locked = tomllib.loads((project / "uv.lock").read_text())["package"]
    ours = json.loads((farm / "wheelhouse/plain/simple/alpha/index.json").read_text())["files"]
    (alpha,) = [each for each in locked if each["name"] == "alpha"]
    assert {f"sha256:{each['hashes']['sha256']}" for each in ours} == {
        each["hash"] for each in alpha["wheels"]
    }


@pytest.mark.slow
def test_a_dockerfile_installs_what_its_requirements_pin(tmp_path: Path, farm: Door, decoy: Index) -> None:
    published(farm)
    exported(farm, "--format", "docker", "--index", "internal")
    assert (farm / "Dockerfile").read_text().startswith("# syntax=docker/dockerfile:1\n")
    check_site(run_instruction(tmp_path, farm / "Dockerfile", decoy))


@pytest.mark.slow
def test_each_format_installs_a_local_version(tmp_path: Path, farm: Door, decoy: Index, url: str) -> None:
    local, of_decoy = "1.0+team.1", ("--index-url", decoy.url)
    for target in sorted({HERE, *TARGETS}):
        store(Wheelhouse(farm / "wheelhouse"), "alpha", local, target)
    published(farm)
    exported(farm, "--format", "pylock")
    install_by_uv(tmp_path / "files", farm / "pylock.toml", *of_decoy)
    check_site(tmp_path / "files", local)
    for form in ("pylock", "requirements", "uv", "docker"):
        exported(farm, "--format", form, "--index", "internal")
    for install in (install_by_uv, install_by_pip):
        site = tmp_path / install.__name__
        install(site, farm / "pylock.toml", *of_decoy)
        check_site(site, local)
    of_both = ("--require-hashes", "--extra-index-url", f"{url}plain/simple/", *of_decoy)
    install_by_pip(tmp_path / "requirements", farm / "requirements.txt", *of_both)
    check_site(tmp_path / "requirements", local)
    check_site(sync_by_uv(tmp_path, farm / "uv", decoy), local)
    check_site(run_instruction(tmp_path, farm / "Dockerfile", decoy), local)
    assert "%2Bteam.1" in (farm / "pylock.toml").read_text()


@pytest.mark.slow
def test_requirements_of_an_index_have_the_hashes_of_its_own_files(
    tmp_path: Path, farm: Door, decoy: Index, url: str
) -> None:
    published(farm)
    exported(farm, "--index", "internal")
    words = ("--require-hashes", "--index-url", decoy.url, "--extra-index-url", f"{url}plain/simple/")
    install_by_pip(tmp_path / "site", farm / "requirements.txt", *words)
    check_site(tmp_path / "site")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--format", "conda"], "unknown format 'conda'"),
        (["--format", "pylock", "--output", "lock.toml"], "lock.toml is no name of a lock (PEP 751)"),
        (
            ["--format", "uv", "--output", "pyproject.toml"],
            "pyproject.toml is there, and no export has written it",
        ),
        (["--format", "docker"], "a container cannot read wheelhouse: its url is that of files here"),
        (["--index", "internal"], "internal lists no alpha 1.0, which the wheelhouse has"),
        (["--index", "other"], "unknown index 'other'"),
        (["--targets", "cp313"], "cp313"),
    ],
)
def test_what_cannot_be_exported_says_why_and_writes_nothing(farm: Door, words: list[str], text: str) -> None:
    before = {path: path.read_bytes() for path in farm.root.rglob("*") if path.is_file()}
    assert text in exported(farm, *words, code=2)
    assert {path: path.read_bytes() for path in farm.root.rglob("*") if path.is_file()} == before


def test_a_quarantined_project_is_not_exported(farm: Door) -> None:
    published(farm)
    words = ("--index", "internal", "--set", "quarantined", "--reason", "stolen token")
    assert farm.inv("index.status", "alpha", *words).returncode == 0
    text = exported(farm, "--format", "pylock", "--index", "internal", code=2)
    assert "internal has quarantined alpha" in text
    assert "stolen token" in text
    assert not (farm / "pylock.toml").exists()


def test_the_last_build_of_a_release_is_exported(farm: Door) -> None:
    made = published(farm)
    for target in sorted({HERE, *TARGETS}):
        store(made.wheelhouse, "alpha", target=target, content="again")
    published(farm)
    exported(farm, "--format", "pylock", "--index", "internal")
    alpha = Pylock.from_dict(tomllib.loads((farm / "pylock.toml").read_text())).packages[0]
    assert [str(each.name).split("-")[2][:2] for each in alpha.wheels or ()] == ["2_"] * len({HERE, *TARGETS})


def test_a_target_that_lacks_a_wheel_is_an_error_for_each_package(farm: Door) -> None:
    for form in ("requirements", "pylock", "uv"):
        text = exported(farm, "--format", form, "--targets", f"{HERE},cp313-win_amd64", code=92)
        for name in ("alpha", "beta"):
            assert f"there is no wheel of {name} 1.0 for cp313-win_amd64" in text
    assert not (farm / "pylock.toml").exists()


def test_a_package_that_lacks_a_target_of_another_is_an_error() -> None:
    def wheel(name: str, tag: str) -> ExportedWheel:
        values = {"version": "1.0", "url": "", "sha256": Digest(""), "size": None, "uploaded": None}
        return ExportedWheel(project=Name(name), filename=f"{name}-1.0-{tag}.whl", **values)  # type: ignore[arg-type]

    tags = ("cp311-cp311-manylinux_2_28_x86_64", "cp312-cp312-manylinux_2_28_x86_64")
    wheels = [*(wheel("top", tag) for tag in tags), wheel("base", tags[0])]
    known = [Target.parse(each) for each in (*TARGETS, "cp313-manylinux_x86_64")]
    targets = find_targets(wheels, [Name("top")], known)
    assert [str(each) for each in targets] == list(TARGETS)
    (error,) = raised(lambda: check_targets(wheels, targets, index="wheelhouse"), IncompleteError)
    assert error.what == "there is no wheel of base 1.0 for cp312-manylinux_x86_64"


def test_a_dry_run_prints_the_file_and_writes_none(farm: Door) -> None:
    assert 'created-by = "wheelfarm index.export"' in exported(farm, "--format", "pylock", "--dry-run")
    assert not (farm / "pylock.toml").exists()


_wheels = st.lists(
    st.builds(
        lambda project, version, tag, number: ExportedWheel(
            project=Name(project),
            version=version,
            filename=f"{project}-{version}-{tag}.whl",
            url=f"https://index.invalid/{project}-{version}-{tag}.whl",
            sha256=Digest(f"{number:064x}"),
            size=number % 1000,
            uploaded=datetime.fromtimestamp(number % 10**9, UTC),
        ),
        st.sampled_from(["alpha", "beta"]),
        st.just("1.0"),
        st.sampled_from(["py3-none-any", "cp311-cp311-manylinux_2_28_x86_64", "cp312-abi3-win_amd64"]),
        st.integers(0, 2**256 - 1),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda wheel: wheel.filename,
)


@given(_wheels, st.sets(st.sampled_from([*TARGETS, "cp313-win_amd64"])))
def test_readers_get_what_was_exported(wheels: list[ExportedWheel], targets: set[str]) -> None:
    lines = parse_lines(render_requirements(wheels, ""), "requirements")
    assert {(line.name, line.version, sha256) for line in lines for sha256 in line.hashes} == {
        (each.project, each.version, each.sha256) for each in wheels
    }
    known = [Target.parse(each) for each in sorted(targets)]
    values = {"output": Path("pylock.toml"), "python": "3.11", "targets": known, "identities": {}}
    text = render_pylock(wheels, "", **values)  # type: ignore[arg-type]
    assert text == render_pylock(wheels[::-1], "", **values)  # type: ignore[arg-type]
    lock = Pylock.from_dict(tomllib.loads(text))
    assert {
        (str(each.name), wheel.name, wheel.url, wheel.hashes["sha256"], wheel.size, wheel.upload_time)
        for each in lock.packages
        for wheel in each.wheels or ()
    } == {(each.project, each.filename, each.url, each.sha256, each.size, each.uploaded) for each in wheels}
