"""A build backend that compiles tinybase, tinyleaf and tinytop without setuptools, in a third of the time.

It is copied into their source distributions.
"""

import base64
import hashlib
import os
import shlex
import subprocess
import sysconfig
import tomllib
import zipfile
from pathlib import Path


def compile_module(source: str, module: str, *words: str) -> None:
    """Compile a shared library or an extension module."""
    compiler, flags, linker = (shlex.split(os.environ.get(name, "")) for name in ("CC", "CFLAGS", "LDFLAGS"))
    include = sysconfig.get_path("include")
    argv = [*(compiler or ["gcc"]), *flags, "-shared", "-fPIC", "-o", module, source, f"-I{include}"]
    subprocess.run([*argv, *words, *linker], check=True)


def build_wheel(
    wheel_directory: str, config_settings: object = None, metadata_directory: object = None
) -> str:
    """Compile the module of the package and write its wheel (PEP 517)."""
    del config_settings, metadata_directory
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    name, suffix = project["name"], sysconfig.get_config_var("EXT_SUFFIX")
    if name == "tinybase":
        native = Path("native").resolve()
        compile_module("native/tiny.c", "native/libtiny.so")
        library = (f"-L{native}", "-ltiny", f"-Wl,-rpath,{native}")
        compile_module("native/core.c", f"{name}/_core{suffix}", f"-I{name}/include", *library)
    elif name == "tinytop":
        import tinybase  # type: ignore[import-not-found]  # noqa: PLC0415 - in its environment

        compile_module("native/ext.c", f"{name}/_ext{suffix}", "-DMARKED=1", f"-I{tinybase.get_include()}")
    else:
        compile_module("native/ext.c", f"{name}/_ext{suffix}")

    python = f"cp{sysconfig.get_config_var('py_version_nodot')}"
    tag = f"{python}-{python}-linux_{os.uname().machine}"
    info = f"{name}-{project['version']}.dist-info"
    requires = "".join(f"Requires-Dist: {each}\n" for each in project["dependencies"])
    files = {path.as_posix(): path.read_bytes() for path in sorted(Path(name).rglob("*")) if path.is_file()}
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {project['version']}\n{requires}"
    files[f"{info}/METADATA"] = metadata.encode()
    wheel = f"Wheel-Version: 1.0\nGenerator: direct 1\nRoot-Is-Purelib: false\nTag: {tag}\n"
    files[f"{info}/WHEEL"] = wheel.encode()
    record = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(data)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    filename = f"{name}-{project['version']}-{tag}.whl"
    with zipfile.ZipFile(Path(wheel_directory, filename), "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return filename
