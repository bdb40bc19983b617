"""Open the indexes of the settings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.errors import UsageError
from wheelfarm.index.candidates import attest
from wheelfarm.provenance.attestation import RequiredSigners
from wheelfarm.provenance.signing import Signer
from wheelfarm.provenance.site_keys import KeySigner, read_public_key, read_public_keys
from wheelfarm.recipes.index_table import IndexKind
from wheelfarm.system.environment import allowed
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from wheelfarm.index.client import IndexClient
    from wheelfarm.index.protocol import IndexProtocol
    from wheelfarm.index.storage import Storage
    from wheelfarm.index.upload import UploadIndex
    from wheelfarm.recipes.index_table import IndexTable
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

logger = get_logger(__name__)

_READABLE: Final = ("http", "https", "file")
_READING_TRIES: Final = 2
"""Tries for a server that can save a build, and whose failure costs only a build."""
_PUBLISHING_TRIES: Final = 4
_VARIABLES: Final = ("NETRC", "TWINE_CERT", "KEYRING_*", "PYTHON_KEYRING_BACKEND", "DBUS_SESSION_BUS_ADDRESS")
"""Further variables of the user's environment for twine and keyring."""


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


def read_url(name: str, settings: Settings, variant: str) -> str:
    """The url of a variant's simple index for installers; contacts a server only if it must.

    Raises:
        UsageError: when the settings do not determine it.
        PublishError, NetworkError: when the server cannot be used or reached.
    """
    table = settings.choose_index(name)
    path = path_of(name, table, variant)
    base, simple = table.read_url or table.url, table.simple or "simple"
    if table.kind is IndexKind.STATIC and "://" not in base:
        base = (settings.root / base).resolve().as_uri()
    if base.partition("://")[0] not in _READABLE:
        raise UsageError(
            f"index {name} has no url for installers",
            where=f"pyproject.toml: tool.wheelfarm.index.{name}",
            why=f"installers cannot read {base}",
            hint="set `read-url`",
        )
    if table.kind is IndexKind.SIMPLE_UPLOAD and table.simple is None:
        simple = _open_upload_index(name, settings, below(table.url, path), table).simple
    return below(below(base, path), simple)


def open_index(
    name: str, settings: Settings, variant: str, *, wheelhouse: Wheelhouse, read_only: bool = False
) -> IndexProtocol:
    """Open an index for the wheels of a variant.

    Args:
        name: as in `[tool.wheelfarm.index.<name>]`.
        settings: the farm's.
        variant: the variant.
        wheelhouse: where the build records are.
        read_only: open it at its `read-url`, with fewer tries: an index that fails costs a build only.

    Raises:
        UsageError: when there is no such index, or when it does not take this variant.
        PublishError, NetworkError: when it cannot be used or reached.
    """
    table = settings.choose_index(name)
    path = path_of(name, table, variant)
    if table.kind is not IndexKind.STATIC:
        return _open_upload_index(name, settings, below(table.url, path), table, read_only=read_only)
    # Each kind brings its own libraries along.
    from wheelfarm.index.static import StaticIndex  # noqa: PLC0415
    from wheelfarm.index.storage import Web, open_storage  # noqa: PLC0415

    storage: Storage
    if read_only and (table.read_url or "").startswith("http"):
        storage = Web(_client(below(table.read_url or "", path), settings, read_only=True))
    else:
        storage = open_storage(below(table.url, path), settings.root)
    signer = Signer(settings.environ if table.sign else {})
    by_key = open_key_signer(name, settings).sign if table.sign_key else None
    return StaticIndex(name, storage, partial(attest, wheelhouse, signer.sign, by_key))


def open_key_signer(name: str, settings: Settings) -> KeySigner:
    """What signs with the key of the site for an index.

    Raises:
        UsageError: when the index has no such key.
    """
    table = settings.choose_index(name)
    if table.sign_key is None:
        raise UsageError(
            f"index {name} has no key that signs",
            where=f"pyproject.toml: tool.wheelfarm.index.{name}",
            hint="set sign-key; see docs/how-to/sign.md",
        )
    return KeySigner(table.sign_key, settings.root, table.signer_keys, settings.environ)


def required_signers(settings: Settings, name: str, signer: str | None = None) -> RequiredSigners:
    """Who must have signed the statements of an index.

    Args:
        settings: the farm's.
        name: the index.
        signer: an identity (an address or a url), or the file of a public key, which stands for those in the
            settings; None for those in the settings.

    Raises:
        SettingsError: when a public key cannot be used.
    """
    table = settings.choose_index(name)
    if signer is None:
        keys = read_public_keys(settings.root, table.signer_keys)
        return RequiredSigners(identity=table.signer, issuer=table.issuer, keys=keys)
    if "@" in signer or "://" in signer:
        return RequiredSigners(identity=signer, issuer=table.issuer)
    expires = next((each.expires for each in table.signer_keys if each.file == signer), None)
    return RequiredSigners(keys=(read_public_key(settings.root / signer, name=signer, expires=expires),))


def _environment(settings: Settings) -> dict[str, str]:
    """The environment for twine and keyring."""
    return allowed(settings.environ, keep=_VARIABLES) | programs_environment(settings)


def _client(url: str, settings: Settings, *, read_only: bool) -> IndexClient:
    from wheelfarm.index.client import IndexClient, find_credentials  # noqa: PLC0415 - as in `open_index`

    env = _environment(settings)
    found = find_credentials(url, settings.environ, env)
    if found and not read_only:
        logger.info("publishing as %s (%s)", found.username, found.origin)
    return IndexClient(
        index_url=url,
        credentials=(found.username, found.password) if found else None,
        authorities=env.get("TWINE_CERT"),
        tries=_READING_TRIES if read_only else _PUBLISHING_TRIES,
        limits=settings.limits.values(),
    )


def _open_upload_index(
    name: str, settings: Settings, url: str, table: IndexTable, *, read_only: bool = False
) -> UploadIndex:
    """Open an index that takes uploads: of a devpi server, or of any other."""
    from wheelfarm.index.devpi import SIMPLE, DevpiIndex, is_devpi  # noqa: PLC0415
    from wheelfarm.index.upload import UploadIndex  # noqa: PLC0415

    client = _client(url, settings, read_only=read_only)
    devpi = is_devpi(client)
    return (DevpiIndex if devpi else UploadIndex)(
        name=name,
        client=client,
        simple=table.simple or (SIMPLE if devpi else "simple"),
        env=_environment(settings),
        log=settings.work / "logs" / f"publish-{name}.log",
    )
