"""The header of a patch as the message of a commit, and back.

The message has one more line, `Patch-File:`, which says what file of the series the commit is. It stays with
the commit when that is changed, moved or rebased.
"""

from __future__ import annotations

import re
from typing import Final

TEMPLATE: Final = "\n\nWhy: \nUpstream: \n"
"""What an editor shows for a new patch."""
_FIELD: Final = re.compile(r"^Patch-File:[ \t]*(.*?)[ \t]*$\n?", re.MULTILINE | re.IGNORECASE)
_SUBJECT: Final = re.compile(r"^Subject:[ \t]*(?:\[[^\]]*\][ \t]*)*(.*)$", re.MULTILINE)
_BLANK: Final = re.compile(r"\n{3,}")
_LONGEST_NAME: Final = 50
_RESOLVES: Final = re.compile(r"^Resolves:(.*(?:\n[ \t].*)*)", re.MULTILINE | re.IGNORECASE)
_VULNERABILITY: Final = re.compile(
    r"\b(?:(?:CVE|PYSEC|OSV|RUSTSEC)-\d{4}-\d+|GHSA(?:-[0-9a-z]{4}){3})\b", re.IGNORECASE
)
"""Names of vulnerabilities. Others, as an issue's #12, stand after `Resolves:` in messages of commits."""


def header_text(header: bytes) -> str:
    """The text of a header, without a summary of changed files and without white space that git removes."""
    try:
        text = header.decode()
    except UnicodeDecodeError:
        text = header.decode("latin-1")  # as git reads a message that is not UTF-8
    return normal_text(text)


def normal_text(text: str) -> str:
    """A text as git stores an edited message: no white space at the ends of lines, no runs of empty lines."""
    lines = [line.rstrip() for line in text.split("\n")]
    if "---" in lines:
        lines = lines[: lines.index("---")]
    return _BLANK.sub("\n\n", "\n".join(lines)).strip("\n")


def commit_message(header: bytes, file: str) -> str:
    """The message of the commit for a patch file."""
    return f"{header_text(header)}\n\nPatch-File: {file}\n"


def read_message(message: str) -> tuple[list[str], str]:
    """The files that the lines `Patch-File:` of a message name, and the header."""
    # An editor of Windows may leave carriage returns.
    text = "\n".join(line.rstrip() for line in message.split("\n"))
    return [found[1] for found in _FIELD.finditer(text)], normal_text(_FIELD.sub("", text))


def make_header(title: str, why: str, upstream: str) -> str:
    """A header out of its three parts."""
    return normal_text(f"{title}\n\nWhy: {why}\nUpstream: {upstream}")


def title_of(header: str) -> str:
    """The title of a header; also of one that begins as a mail."""
    subject = _SUBJECT.search(header)
    return subject[1] if subject else header.partition("\n")[0]


def resolved_vulnerabilities(header: str) -> tuple[str, ...]:
    """The vulnerabilities that a patch mends, by the lines `Resolves:` of its header."""
    found = (each[0] for line in _RESOLVES.finditer(header) for each in _VULNERABILITY.finditer(line[1]))
    return tuple(dict.fromkeys(map(normal_vulnerability, found)))


def normal_vulnerability(name: str) -> str:
    """The name of a vulnerability as its database writes it: the letters of a GHSA are small."""
    database, _, rest = name.strip().partition("-")
    return f"{database.upper()}-{rest.lower() if database.upper() == 'GHSA' else rest.upper()}"


def file_name(title: str, number: int) -> str:
    """The name of the file for a new patch, such as 0002-fix-the-build.patch."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    short = words[: _LONGEST_NAME + 1].rpartition("-")[0] if len(words) > _LONGEST_NAME else words
    return f"{number:04}-{short or words[:_LONGEST_NAME] or 'patch'}.patch"
