"""Archives that no packer writes, each as bytes, and why the farm refuses it."""

from __future__ import annotations

import io
import itertools
import struct
import tarfile
import zipfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NUL: Final = bytes(tarfile.BLOCKSIZE)


def padded(data: bytes) -> bytes:
    """Data filled up to whole blocks."""
    return data + bytes(-len(data) % tarfile.BLOCKSIZE)


def header(name: bytes, kind: bytes = tarfile.REGTYPE, *, size: bytes = b"0", link: bytes = b"") -> bytes:
    """A header of a tar with fields as given, and the right checksum."""
    fields = (
        (name, 100),
        (b"644", 8),
        (b"0", 8),
        (b"0", 8),
        (size if size[:1] in {b"\x80", b"\xff"} else size.rjust(11, b"0"), 12),
        (b"0", 12),
        (b" " * 8, 8),
        (kind, 1),
        (link, 100),
        (b"ustar\x0000", 8),
    )
    block = padded(b"".join(text.ljust(width, b"\0") for text, width in fields))
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def file(name: bytes, content: bytes = b"") -> bytes:
    """A whole member."""
    return header(name, size=b"%o" % len(content)) + padded(content)


def pax(records: Mapping[str, str] | bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """An extended header."""
    if not isinstance(records, bytes):
        texts = [f" {key}={value}\n".encode() for key, value in records.items()]
        records = b"".join(b"%d%b" % (len(each) + len(str(len(each) + 2)), each) for each in texts)
    return header(b"pax", kind, size=b"%o" % len(records)) + padded(records)


def _tar(*parts: bytes) -> bytes:
    return b"".join((*parts, NUL, NUL))


def _zip(change: Callable[[zipfile.ZipInfo], None] = lambda _: None, name: str = "p/x") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
        change(info)
        archive.writestr(info, b"1")
    return buffer.getvalue()


def _zip_in_month(month: int) -> bytes:
    date = (2020 - 1980) << 9 | month << 5 | 1
    return _zip().replace(struct.pack("<H", (2020 - 1980) << 9 | 1 << 5 | 1), struct.pack("<H", date))


def _of_kind(mode: int) -> Callable[[zipfile.ZipInfo], None]:
    def change(info: zipfile.ZipInfo) -> None:
        info.external_attr = mode << 16

    return change


_SPARSE: Final = {
    "0.0": {"GNU.sparse.size": "9", "GNU.sparse.numblocks": "1", "GNU.sparse.offset": "0"},
    "0.1": {"GNU.sparse.size": "9", "GNU.sparse.map": "0,1,8,1"},
    "1.0": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"},
}
_LONG: Final = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)

HOSTILE: Final[Mapping[str, tuple[bytes, str]]] = {
    **{
        f"chain-{kind.decode()}": (
            # A valid record: Debian's tarfile refuses others before the farm counts them.
            _tar(*[pax(b"5 a=\n", kind)] * 2000, file(b"p/x")),
            "too many",
        )
        for kind in _LONG
    },
    "long-header": (_tar(pax(b"6 a=b\n" * 200_000), file(b"p/x")), "too large"),
    "header-that-says-128-MB": (_tar(header(b"h", tarfile.XHDTYPE, size=b"%o" % (128 << 20))), "too large"),
    "many-headers": (
        _tar(
            *itertools.chain.from_iterable((pax({"a": "x" * 900_000}), file(b"p/%d" % n)) for n in range(20))
        ),
        "too many",
    ),
    "deep": (_tar(pax({"path": "d/" * 1500 + "x"}), file(b"p")), "1000 bytes|below more than"),
    "nested": (_tar(file(b"d/" * 40 + b"x"), pax({"path": "e/" * 101 + "x"}), file(b"p")), "below more than"),
    "long-part": (_tar(pax({"path": "p/" + "x" * 256}), file(b"p")), "longer than"),
    "long-in-bytes": (_tar(pax({"path": "p/" + "é" * 128}), file(b"p")), "longer than"),
    **{
        f"sparse-{version}": (_tar(pax(records), file(b"p/x", b"9\n")), "sparse|convert|map")
        for version, records in _SPARSE.items()
    },
    "sparse-gnu": (_tar(header(b"p/x", tarfile.GNUTYPE_SPARSE)), "sparse"),
    "sparse-map-without-end": (
        _tar(pax(_SPARSE["1.0"]), file(b"p/x", b"999999999\n" + b"1\n" * 9999)),
        "sparse",
    ),
    "hard-link-forward": (
        _tar(header(b"p/l", tarfile.LNKTYPE, link=b"p/x"), file(b"p/x")),
        "no file before it",
    ),
    "not-utf-8": (_tar(file(b"p/\xff")), "not UTF-8"),
    "link-not-utf-8": (_tar(header(b"p/l", tarfile.SYMTYPE, link=b"\xff")), "not UTF-8"),
    "escape-in-a-name": (_tar(file(b"p/\x1b[2J\nerror[source]: all is well")), "control"),
    "newline-in-a-link": (_tar(header(b"p/l", tarfile.SYMTYPE, link=b"x\ny")), "control"),
    "negative-size": (_tar(header(b"p/x", size=b"\xff" * 12)), "negative"),
    "negative-pax-size": (_tar(pax({"size": "-1024"}), file(b"p/x")), "negative"),
    "huge-size": (
        _tar(header(b"p/x", size=b"\x80" + b"\x7f" * 11)),
        "limit",
    ),
    "backslash": (_tar(file(b"p\\x")), "backslash"),
    "capitals": (_tar(file(b"p/Read"), file(b"p/read")), "capitals or Unicode"),
    "capitals-of-directories": (_tar(file(b"p/Doc/a"), file(b"p/doc/b")), "capitals or Unicode"),
    "capitals-of-a-link": (_tar(header(b"p/L", tarfile.SYMTYPE, link=b"x"), file(b"p/l/x")), "capitals"),
    "unicode-twins": (_tar(file("p/é".encode()), file("p/e\u0301".encode())), "capitals or Unicode"),
    "unicode-capitals": (_tar(file("p/É".encode()), file("p/e\u0301".encode())), "capitals or Unicode"),
    "contiguous-block-device": (_tar(header(b"p/d", tarfile.BLKTYPE)), "device"),
    "unknown-kind": (_tar(header(b"p/d", b"?")), ""),
    **{f"zip-month-{month}": (_zip_in_month(month), f"month {month}") for month in (13, 14, 15)},
    "zip-empty-name": (_zip().replace(b"p/x", b"").replace(b"\x03\x00", b"\x00\x00"), ""),
    "zip-absolute": (_zip(name="/etc/x"), "absolute"),
    "zip-device": (_zip(_of_kind(0o020644)), "device"),
    "zip-block-device": (_zip(_of_kind(0o060644)), "device"),
    "zip-socket": (_zip(_of_kind(0o140644)), "device"),
    "zip-nul": (_zip(name="p/x_y").replace(b"x_y", b"x\0y"), "null byte"),
    "zip-directory-by-nul": (_zip(name="p/_y").replace(b"/_y", b"/\0y"), "null byte"),
    "zip-backslash": (_zip(name="p_x").replace(b"p_x", b"p\\x"), "backslash"),
    "zip-of-a-newer-version": (_zip().replace(b"\x14\x00", b"\xff\x00"), "version"),
}
"""Name → content, and what the error says."""
