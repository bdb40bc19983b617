"""index.serve, index.config and lock: for those who install the farm's wheels."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.tasks import task

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.cli.task import farm_task, open_farm, positional_words, words
from wheelfarm.errors import UsageError
from wheelfarm.index.candidates import find_candidates
from wheelfarm.index.consumer import Tool, consumer_lines, from_elsewhere, pins, resolve
from wheelfarm.index.factory import read_url
from wheelfarm.recipes.index_settings import WHEELHOUSE
from wheelfarm.recipes.strict import suggestion
from wheelfarm.report.screen import Screen
from wheelfarm.run.publication import choose_index_name, named_releases
from wheelfarm.system.files import write_atomically

if TYPE_CHECKING:
    from invoke.context import Context

    from wheelfarm.run.farm import Farm


@task(
    help={
        "host": "where to listen; another one than this machine's own needs --passwords",
        "port": "0 takes a free one",
        "passwords": "a file of users, as `htpasswd -B` writes it",
    },
    auto_shortflags=False,
)
@farm_task
def serve(_context: Context, host: str = "127.0.0.1", port: int = 8080, passwords: str | None = None) -> None:
    """Serve the wheelhouse to installers until Ctrl-C."""
    # What speaks HTTP is imported when somebody listens.
    from wheelfarm.index.serve import Passwords, serving  # noqa: PLC0415

    farm, screen = open_farm(), Screen.standard()
    known = Passwords.read(Path(passwords)) if passwords else None
    with serving(farm.settings.wheelhouse, host=host, port=port, passwords=known, say=screen.say) as url:
        screen.result(f"{url}/{variant}/simple/" for variant in farm.wheelhouse.variants())
        threading.Event().wait()


def _url(farm: Farm, index: str) -> str:
    """The simple index of the farm's variant, as installers read it."""
    if index == WHEELHOUSE:
        return f"{(farm.settings.wheelhouse / farm.settings.variant / 'simple').resolve().as_uri()}/"
    return read_url(index, farm.settings, farm.settings.variant, say=farm.say)


@task(
    positional=positional_words("index.config", "tool", "packages"),
    help=words("variant")
    | words(
        tool="pip, uv, poetry or docker",
        packages="distributions, with what they need of the farm; all by default",
        index=f"its name in [tool.wheelfarm.index], or `{WHEELHOUSE}`; not needed where there is only one",
    ),
    auto_shortflags=False,
)
@farm_task
def config(
    _context: Context,
    tool: str,
    packages: str | None = None,
    index: str | None = None,
    variant: str | None = None,
) -> None:
    """Print settings with which pip, uv, poetry or docker take the farm's packages from the farm alone."""
    if tool not in list(Tool):
        raise UsageError(f"unknown tool {tool!r}", hint=suggestion(tool, list(Tool)))
    farm = open_farm(variant=variant)
    name = WHEELHOUSE if index == WHEELHOUSE else choose_index_name(farm, index)
    candidates = find_candidates(farm.wheelhouse, farm.settings.variant, named_releases(packages))
    names = {candidate.project: candidate.version for candidate in candidates}
    lines = consumer_lines(Tool(tool), index=name, url=_url(farm, name), names=names)
    Screen.standard().result(lines)


@task(
    positional=positional_words("lock", "packages"),
    help=words("variant")
    | words(
        packages="distributions, separated by commas, each perhaps with a version, as scipy==1.17.1",
        output="the file",
    ),
    auto_shortflags=False,
)
@farm_task
def lock(
    _context: Context,
    packages: str | None = None,
    variant: str | None = None,
    output: str = "requirements.txt",
) -> None:
    """Write a requirements file with the hashes of the farm's wheels and of what they need from elsewhere."""
    if packages is None:
        raise UsageError("say which packages", hint="inv lock scipy,pandas")
    farm = open_farm(variant=variant)
    settings = farm.settings
    candidates = find_candidates(farm.wheelhouse, settings.variant, named_releases(packages))
    others = resolve(
        candidates,
        simple=_url(farm, WHEELHOUSE),
        python=str(min(settings.pythons)),
        env=programs_environment(settings),
        public=settings.index_url,
    )
    write_atomically(Path(output), (pins(candidates) + others).encode(), "the lock")
    screen = Screen.standard()
    screen.say(
        f"{output}: {len({each.project for each in candidates})} of the farm, {others.count('==')} others"
    )
    if from_elsewhere(candidates):
        screen.say("what is not of the farm comes from another index; the hashes tell which files may")
