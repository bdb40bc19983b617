"""The index of what can be searched in the stored wheels: an SQLite file that follows the records.

The records and wheels stay the truth. Before each search the index reads what has come or changed since, by
the time, size and inode of each record's file; a record is only ever replaced, never edited in place. The
file may be removed at any time.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import FarmError, GroupError, WheelhouseError, counted
from wheelfarm.provenance import facts, sbom_components, sbom_reader
from wheelfarm.provenance.facts import Component, Fact, FactKind, WheelFacts, read_facts
from wheelfarm.provenance.record import Record
from wheelfarm.system.files import ensure_directory, explain_os_errors
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from wheelfarm.errors import Collector
    from wheelfarm.model import Digest, Name
    from wheelfarm.provenance.conditions import Condition
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

_READERS: Final = (__file__, facts.__file__, sbom_reader.__file__, sbom_components.__file__)
"""Modules that decide what the index has: a file that others of them have written is made anew."""
_COMMIT: Final = 2.0
"""Seconds of reading that a kill may cost."""
_WAIT: Final = 120.0
"""Seconds to wait for another search that is reading new records."""
_TABLES: Final = """
CREATE TABLE wheel (
    id INTEGER PRIMARY KEY, variant TEXT, key TEXT, state TEXT, name TEXT, version TEXT, target TEXT,
    filename TEXT, sha256 TEXT, UNIQUE (variant, key)
);
CREATE TABLE fact (
    wheel INTEGER REFERENCES wheel ON DELETE CASCADE, kind TEXT, name TEXT, version TEXT, scheme TEXT,
    ref TEXT
);
CREATE INDEX fact_by_name ON fact (kind, name, version, scheme, wheel);
CREATE INDEX fact_by_wheel ON fact (wheel, kind);
CREATE TABLE component (
    wheel INTEGER REFERENCES wheel ON DELETE CASCADE, ref TEXT, document TEXT, name TEXT, version TEXT,
    purl TEXT, own INTEGER
);
CREATE INDEX component_by_wheel ON component (wheel);
"""


@dataclass(frozen=True, kw_only=True)
class IndexedWheel:
    """A stored wheel, listed or not."""

    id: int
    variant: str
    key: Digest
    name: Name
    version: str
    target: str
    filename: str
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class Match:
    """A wheel that a search found, and by which facts."""

    wheel: IndexedWheel
    facts: tuple[Fact, ...]


class SearchIndex:
    """The open index. Use `open_search_index`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def update(self, wheelhouse: Wheelhouse, *, problems: Collector, progress: Callable[[str], None]) -> None:
        """Read the records that have come or changed since, and forget those that are gone.

        Args:
            wheelhouse: whose records and wheels it reads.
            problems: gets an error for each wheel that cannot be read, which the next update reads again.
            progress: gets a line for people.
        """
        known = {
            (variant, key): (number, state)
            for number, variant, key, state in self._connection.execute(
                "SELECT id, variant, key, state FROM wheel"
            )
        }
        found = {
            (variant, key): state
            for variant in wheelhouse.variants()
            for key, state in wheelhouse.record_states(variant).items()
        }
        old = [(number,) for each, (number, state) in known.items() if found.get(each) != state]
        with self._connection:
            self._connection.executemany("DELETE FROM wheel WHERE id = ?", old)
        new = [each for each, state in found.items() if known.get(each, (0, ""))[1] != state]
        saved = time.monotonic()
        with self._saving():
            for number, (variant, key) in enumerate(new, 1):
                progress(f"reading {number:,} of {counted(len(new), 'new record')}: {variant}, {key[:12]}")
                with problems.collect():
                    self._add(wheelhouse, variant, key, found[variant, key])
                if time.monotonic() - saved > _COMMIT:
                    self._connection.commit()
                    saved = time.monotonic()
        progress("")

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """Commit also what was read before an interrupt."""
        try:
            yield
        finally:
            self._connection.commit()

    def _add(self, wheelhouse: Wheelhouse, variant: str, key: Digest, state: str) -> None:
        record = Record.from_json(wheelhouse.record(variant, key), f"{variant}/records/{key}.json")
        stored = wheelhouse.recorded_wheel(variant, key)
        try:
            found = read_facts(record, open_wheel(stored.path))
        except FarmError as error:
            for each in error.errors if isinstance(error, GroupError) else (error,):
                each.where = f"{stored.path}: {each.where}" if each.where else str(stored.path)
            raise
        with self._whole():
            self._insert(record, variant, key, state, found)

    def _insert(self, record: Record, variant: str, key: Digest, state: str, found: WheelFacts) -> None:
        columns = (variant, key, state, record.distribution, record.version, str(record.target))
        # Another search may have added it meanwhile.
        number = self._connection.execute(
            "INSERT OR REPLACE INTO wheel (variant, key, state, name, version, target, filename, sha256) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*columns, record.wheel.filename, record.wheel.sha256),
        ).lastrowid
        self._connection.executemany(
            "INSERT INTO fact VALUES (?, ?, ?, ?, ?, ?)", ((number, *_row(each)) for each in found.facts)
        )
        self._connection.executemany(
            "INSERT INTO component VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((number, *_row(each)) for each in found.components),
        )

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Undo the block if it fails or is interrupted, and nothing before it."""
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("SAVEPOINT whole")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO whole")
            raise
        finally:
            self._connection.execute("RELEASE whole")

    def count(self, variants: Collection[str]) -> int:
        """How many wheels of some variants the index has."""
        query = f"SELECT count(*) FROM wheel WHERE variant IN ({_marks(variants)})"  # noqa: S608 - marks
        return int(self._connection.execute(query, [*variants]).fetchone()[0])

    def search(self, conditions: Sequence[Condition], variants: Collection[str]) -> tuple[Match, ...]:
        """The wheels of some variants that meet all conditions, by name, version, variant and target."""
        wheels = {each.id: each for each in self.wheels(variants)}
        meeting: dict[int, list[Fact]] = {number: [] for number in wheels}
        for condition in conditions:
            found = self._meeting(condition)
            meeting = {
                number: [*before, *found[number]] for number, before in meeting.items() if number in found
            }
        return tuple(
            Match(wheel=wheels[number], facts=tuple(dict.fromkeys(each))) for number, each in meeting.items()
        )

    def wheels(self, variants: Collection[str]) -> Iterator[IndexedWheel]:
        """The wheels of some variants, by name, version, variant and target."""
        names = [field.name for field in fields(IndexedWheel)]
        query = (
            f"SELECT {', '.join(names)} FROM wheel WHERE variant IN ({_marks(variants)}) "  # noqa: S608
            "ORDER BY name, version, variant, target, key"
        )
        for row in self._connection.execute(query, [*variants]):
            yield IndexedWheel(**dict(zip(names, row, strict=True)))

    def _meeting(self, condition: Condition) -> dict[int, list[Fact]]:
        """The wheels that meet one condition, each with the facts that do."""
        # Many wheels share a name and version, and each of these is compared once; members are of one wheel.
        ref = "''" if condition.kind is FactKind.LINKS else "ref"
        columns = f"name, version, scheme, {ref}"
        rows = self._connection.execute(
            f"SELECT DISTINCT {columns} FROM fact WHERE kind = ?",  # noqa: S608 - names of columns
            (condition.kind.value,),
        ).fetchall()
        found: dict[int, list[Fact]] = {}
        for row in rows:
            fact = _fact(condition.kind, row)
            if condition.selects(fact):
                query = (
                    f"SELECT wheel FROM fact WHERE kind = ? AND name = ? AND version = ? AND scheme = ? "  # noqa: S608
                    f"AND {ref} = ?"
                )
                for (number,) in self._connection.execute(query, (condition.kind.value, *row)):
                    found.setdefault(number, []).append(fact)
        return found

    def components(self, wheels: Iterable[IndexedWheel]) -> Iterator[tuple[IndexedWheel, list[Component]]]:
        """The components that the SBOMs of wheels name, but for their build environments."""
        names = [field.name for field in fields(Component)]
        query = f"SELECT {', '.join(names)} FROM component WHERE wheel = ?"  # noqa: S608 - names of columns
        for wheel in wheels:
            rows = self._connection.execute(query, (wheel.id,))
            found = [dict(zip(names, row, strict=True)) for row in rows]
            yield wheel, [Component(**{**each, "own": bool(each["own"])}) for each in found]

    def patches(self, wheel: IndexedWheel) -> list[Fact]:
        """The patches of a wheel."""
        kind = FactKind.PATCH
        query = "SELECT name, version, scheme, ref FROM fact WHERE wheel = ? AND kind = ?"
        return [_fact(kind, row) for row in self._connection.execute(query, (wheel.id, kind.value))]


def _fact(kind: FactKind, row: tuple[str, str, str, str]) -> Fact:
    name, version, scheme, ref = row
    return Fact(kind=kind, name=name, version=version, scheme=scheme, ref=ref)


def _row(value: Fact | Component) -> list[object]:
    """The fields as SQLite stores them: it has no lone surrogates, which any text of others may have."""
    return [
        each.encode("utf-8", "replace").decode() if isinstance(each, str) else each for each in astuple(value)
    ]


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))


@contextmanager
def open_search_index(path: Path) -> Iterator[SearchIndex]:
    """Open the index, which is made when it is missing, damaged or of another form.

    Raises:
        WheelhouseError: when the file cannot be read or written.
    """
    with explain_os_errors(path, "the search index"):
        ensure_directory(path.parent)
    try:
        connection = _connect(path)
        if connection is None:
            path.unlink()
            connection = _connect(path)
        if connection is None:
            raise sqlite3.DatabaseError("another version of wheelfarm is writing it")
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    with closing(connection) as opened:
        try:
            yield SearchIndex(opened)
        except sqlite3.Error as error:
            raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> WheelhouseError:
    return WheelhouseError(
        "the search index cannot be read or written",
        where=str(path),
        why=str(error),
        hint="free some space, or remove the file: the next search makes it anew",
    )


def _form() -> int:
    """A number, as SQLite stores one, for the form of the index; never 0, which a new file has."""
    digest = hashlib.sha256(b"".join(Path(file).read_bytes() for file in _READERS)).digest()
    return 1 + int.from_bytes(digest[:3])


def _connect(path: Path) -> sqlite3.Connection | None:
    """Open the file; None where it is no index of this form."""
    wanted, connection = _form(), sqlite3.connect(path, timeout=_WAIT)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # Two searches may begin with a new file at the same time.
        connection.execute("BEGIN IMMEDIATE")
        (form,) = connection.execute("PRAGMA user_version").fetchone()
        if form == 0:
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {wanted}")
        connection.commit()
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError:  # the file is no database
        connection.close()
        return None
    if form not in {0, wanted}:
        connection.close()
        return None
    return connection
