"""A wheelhouse of tiny wheels with whole records, built on each other as far as the records say."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from support.records import sample_record
from support.store import VARIANT, key_of
from support.wheels import make_wheel
from wheelfarm.model import Name, Target
from wheelfarm.provenance.record import RecordedWheel, UpstreamWheel
from wheelfarm.report.survey import PublicWheels, Survey, survey_wheelhouse
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from wheelfarm.model import StoredWheel
    from wheelfarm.report.survey import SurveyedWheel

TARGET: Final = "cp312-manylinux_x86_64"
TAG: Final = "cp312-cp312-manylinux_2_35_x86_64"
MEGABYTE: Final = 1_000_000
NO_PUBLIC: Final = PublicWheels(left_out="--no-public")


@dataclass
class Stock:
    """The wheelhouse, and a directory for wheels before they are stored."""

    root: Path
    wheelhouse: Wheelhouse = field(init=False)
    wheels: dict[str, StoredWheel] = field(default_factory=dict)
    """The last wheel that was stored of each distribution."""

    def __post_init__(self) -> None:
        self.wheelhouse = Wheelhouse(self.root / "wheelhouse")

    def add(
        self,
        name: str,
        version: str = "1.0",
        *,
        on: Iterable[StoredWheel] = (),
        files: Mapping[str, str | bytes] | None = None,
        requires: Iterable[str] = (),
        tag: str = TAG,
        variant: str = VARIANT,
        key: str = "",
        **changes: Any,
    ) -> StoredWheel:
        """Store a wheel that was built on others; the other words are fields of its record."""
        directory = self.root / "made" / (key or variant)
        directory.mkdir(parents=True, exist_ok=True)
        wheel = make_wheel(directory, name, version, files, tag=tag, requires=requires)
        own = key_of(f"{name} {version} {tag} {variant} {key}")
        record = sample_record(
            recipe=Name(changes.pop("recipe", name)),
            distribution=Name(name),
            version=version,
            variant=variant,
            target=Target.parse(TARGET),
            key=own,
            upstream=tuple(
                UpstreamWheel(name=each.name, filename=each.path.name, sha256=each.sha256) for each in on
            ),
            wheel=RecordedWheel(
                filename=wheel.name,
                sha256=sha256_of_file(wheel),
                size=wheel.stat().st_size,
                built_sha256=None,
            ),
            **changes,
        )
        self.wheels[name] = self.wheelhouse.store(
            wheel, sha256=sha256_of_file(wheel), variant=variant, key=own, record=record.to_json()
        )
        return self.wheels[name]

    def copy(self, root: Path) -> Stock:
        """The same in another directory, without waiting for the disk."""
        twin = Stock(root)
        shutil.copytree(self.wheelhouse.root, twin.wheelhouse.root)
        for name, stored in self.wheels.items():
            path = twin.wheelhouse.root / stored.path.relative_to(self.wheelhouse.root)
            twin.wheels[name] = replace(stored, path=path)
        return twin

    def record_of(self, stored: StoredWheel) -> Path:
        """The file of a stored wheel's record."""
        return self.wheelhouse.root / stored.variant / "records" / f"{stored.key}.json"

    def survey(
        self,
        *variants: str,
        packages: Collection[str] = (),
        limit: int = 250 * MEGABYTE,
        public: PublicWheels = NO_PUBLIC,
    ) -> Survey:
        """Look at some variants, or all."""
        return survey_wheelhouse(
            self.wheelhouse,
            variants=variants or self.wheelhouse.variants(),
            packages=[Name(name) for name in packages],
            limit=limit,
            public=public,
            progress=lambda _line: None,
        )

    def find(self, name: str, **options: Any) -> SurveyedWheel:
        """The only wheel of a distribution."""
        (found,) = (
            wheel
            for variant in self.survey(**options).variants
            for wheel in variant.wheels
            if wheel.name == name
        )
        return found


def chain(root: Path) -> Stock:
    """Three wheels: base, middle on base, top on both."""
    stock = Stock(root)
    base = stock.add("base", files={"base/__init__.py": "x" * 4000, "base/tests/test_it.py": "y" * 1000})
    middle = stock.add("middle", on=[base], requires=["base>=1", "elsewhere"])
    stock.add("top", on=[base, middle], requires=["middle", 'tester; extra == "test"'])
    return stock
