"""Whatever is changed in a wheel, the rest is the same, and RECORD tells what is there."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.wheels import make_wheel
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel

if TYPE_CHECKING:
    from pathlib import Path

INFO = "demo-1.0.dist-info"
letters = st.characters(codec="utf-8", exclude_characters="/\\:\0\r\n", exclude_categories=["Cs", "Cc"])
words = st.text(letters, min_size=1, max_size=6).filter(lambda word: word.strip(". ") == word)
inside = st.sampled_from([f"{INFO}/sboms/x.json"])
names = st.lists(words, min_size=1, max_size=3).map(lambda parts: "demo/" + "/".join(parts) + ".py")
contents = st.binary(max_size=60) | st.integers(0, 3000).map(lambda count: b"line\n" * count)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), files=st.dictionaries(names, contents, max_size=6))
def test_rewritten_wheel_is_the_wheel_with_its_changes(
    tmp_path: Path, data: st.DataObject, files: dict[str, bytes]
) -> None:
    members = sorted(files)
    dropped = data.draw(st.sets(st.sampled_from(members)) if members else st.just(set()))
    moved = data.draw(st.sets(st.sampled_from(members)) if members else st.just(set())) - dropped
    renamed = {name: f'moved, "now"/{name}' for name in moved}
    written = data.draw(st.dictionaries(names | inside, contents, max_size=3))
    expected = {renamed.get(name, name): files[name] for name in members if name not in dropped} | written

    wheel = open_wheel(make_wheel(tmp_path, files=files))
    path = tmp_path / "rewritten" / wheel.path.name
    path.parent.mkdir(exist_ok=True)
    changes = Changes(dropped=frozenset(dropped), renamed=renamed, written=written)
    rewritten = rewrite_wheel(wheel, path, changes)

    verify(rewritten)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    rest = {f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD")}
    assert {name: found[name] for name in found if name not in rest} == expected
    assert list(found)[-1] == f"{INFO}/RECORD"
