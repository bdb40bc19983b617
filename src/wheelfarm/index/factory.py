"""From the settings to the index that they mean."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.errors import UsageError
from wheelfarm.index.attest import issue
from wheelfarm.provenance.signing import Signer
from wheelfarm.recipes.index_settings import IndexKind
from wheelfarm.system.output import allowed
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.index.attest import Issue
    from wheelfarm.index.protocol import Index
    from wheelfarm.index.upload import UploadIndex
    from wheelfarm.recipes.index_settings import IndexTable
    from wheelfarm.recipes.settings import Settings


_READABLE: Final = ("http", "https", "file")
_READING_TRIES: Final = 2
"""How often a server is asked that could spare a build."""
_KEPT: Final = ("NETRC", "TWINE_CERT", "KEYRING_*", "PYTHON_KEYRING_BACKEND", "DBUS_SESSION_BUS_ADDRESS")
"""What twine and keyring may see of the user's environment beside what all programs see."""


def below(url: str, path: str) -> str:
    """A url below another one, with a slash at its end."""
    return "/".join((url.rstrip("/"), *filter(None, [path.strip("/")]), ""))


def path_of(name: str, table: IndexTable, variant: str) -> str:
    """Where the wheels of a variant go, below the index's url.

    Raises:
        UsageError: when the index does not take them.
    """
    path = table.path(variant)
    if path is None:
        raise UsageError(
            f"index {name} takes no wheels of the variant {variant!r}",
            where=f"pyproject.toml: tool.wheelfarm.index.{name}.variants",
            hint=f"it takes {', '.join(sorted(table.variants))}; add a path for this one",
        )
    return path


def read_url(name: str, settings: Settings, variant: str, *, say: Callable[[str], None]) -> str:
    """The simple index of a variant as installers read it; a server is asked only where it must be.

    Raises:
        UsageError: when the settings do not tell it.
        PublishError, NetworkError: when the index was asked in vain.
    """
    table = settings.choose_index(name)
    path = path_of(name, table, variant)
    base, simple = table.read_url or table.url, table.simple or "simple"
    if table.kind is IndexKind.STATIC and "://" not in base:
        base = (settings.root / base).resolve().as_uri()
    if base.partition("://")[0] not in _READABLE:
        raise UsageError(
            f"nobody knows where index {name} is read",
            where=f"pyproject.toml: tool.wheelfarm.index.{name}",
            why=f"installers cannot read {base}",
            hint="say `read-url`",
        )
    if table.kind is IndexKind.SIMPLE_UPLOAD and table.simple is None:
        wheelhouse = Wheelhouse(settings.wheelhouse)
        simple = _uploads(name, settings, below(table.url, path), table, say, wheelhouse).simple
    return below(below(base, path), simple)


def open_index(
    name: str, settings: Settings, variant: str, *, wheelhouse: Wheelhouse, say: Callable[[str], None]
) -> Index:
    """The index of that name, for the wheels of a variant.

    Args:
        name: as in `[tool.wheelfarm.index.<name>]`.
        settings: the farm's.
        variant: whose wheels.
        wheelhouse: where the build records are.
        say: hears what is going on.

    Raises:
        UsageError: when there is no such index, or when it does not take this variant.
        PublishError, NetworkError: when it cannot be used or reached.
    """
    table = settings.choose_index(name)
    path = path_of(name, table, variant)
    if table.kind is IndexKind.STATIC:
        # Each kind brings its own libraries along.
        from wheelfarm.index.static import StaticIndex  # noqa: PLC0415
        from wheelfarm.index.storage import open_storage  # noqa: PLC0415

        storage = open_storage(below(table.url, path), settings.root, say)
        return StaticIndex(name, storage, _issue(table, settings, wheelhouse, say), say)
    return _uploads(name, settings, below(table.url, path), table, say, wheelhouse)


def open_published(
    name: str, settings: Settings, variant: str, *, wheelhouse: Wheelhouse, say: Callable[[str], None]
) -> Index:
    """The index of that name, for whoever takes wheels from it: where it is read, and without long waits.

    Args:
        name: see `open_index`.
        settings: see `open_index`.
        variant: see `open_index`.
        wheelhouse: see `open_index`.
        say: hears what is waited for.

    Raises:
        UsageError, PublishError, NetworkError: see `open_index`.
    """
    from wheelfarm.index.client import Client  # noqa: PLC0415 - see `open_index`
    from wheelfarm.index.credentials import find_credentials  # noqa: PLC0415
    from wheelfarm.index.static import StaticIndex, Web  # noqa: PLC0415

    table = settings.choose_index(name)
    if table.kind is IndexKind.STATIC and (table.read_url or "").startswith("http"):
        url = below(table.read_url or "", path_of(name, table, variant))
        env = allowed(settings.environ, keep=_KEPT) | programs_environment(settings)
        credentials = find_credentials(url, settings.environ, env)
        client = Client(url, credentials, say, env.get("TWINE_CERT"), tries=_READING_TRIES)
        return StaticIndex(name, Web(client), _issue(table, settings, wheelhouse, say), say)
    if table.kind is IndexKind.STATIC:
        return open_index(name, settings, variant, wheelhouse=wheelhouse, say=say)
    url = below(table.url, path_of(name, table, variant))
    return _uploads(name, settings, url, table, say, wheelhouse, tries=_READING_TRIES)


def _issue(
    table: IndexTable, settings: Settings, wheelhouse: Wheelhouse, say: Callable[[str], None]
) -> Issue:
    """What makes the papers of stored wheels, signed where this machine has an identity, if it may tell."""
    return partial(issue, wheelhouse, Signer(settings.environ if table.sign else {}, say).sign)


def _uploads(  # noqa: PLR0917
    name: str,
    settings: Settings,
    url: str,
    table: IndexTable,
    say: Callable[[str], None],
    wheelhouse: Wheelhouse,
    tries: int | None = None,
) -> UploadIndex:
    """An index that takes uploads: of a devpi server, or of any other."""
    from wheelfarm.index.client import Client  # noqa: PLC0415
    from wheelfarm.index.credentials import find_credentials  # noqa: PLC0415
    from wheelfarm.index.devpi import SIMPLE, DevpiIndex, is_devpi  # noqa: PLC0415
    from wheelfarm.index.pypiserver import PypiserverIndex, is_pypiserver  # noqa: PLC0415
    from wheelfarm.index.upload import UploadIndex  # noqa: PLC0415

    env = allowed(settings.environ, keep=_KEPT) | programs_environment(settings)
    credentials = find_credentials(url, settings.environ, env)
    if credentials and tries is None:
        say(f"publishing as {credentials.username} ({credentials.origin})")
    client = Client(url, credentials, say, env.get("TWINE_CERT"))
    client.tries = client.tries if tries is None else tries
    answer = client.head(url)
    devpi = is_devpi(answer)
    kind = DevpiIndex if devpi else PypiserverIndex if is_pypiserver(answer) else UploadIndex
    simple = table.simple or (SIMPLE if devpi else "simple")
    log = settings.work / "logs" / f"publish-{name}.log"
    papers = _issue(table, settings, wheelhouse, say), settings.work / "papers"
    index = kind(name, url, simple, credentials, env, log, say, *papers)
    index.client.tries = client.tries
    return index
