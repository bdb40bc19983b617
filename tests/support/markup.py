"""Reads an HTML page strictly: each element is closed where it must be; an error names its line."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

VOID: Final = frozenset({"meta", "link", "br", "wbr", "img", "input", "hr"})
_INLINE_ONLY: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "span", "code", "b", "small", "summary"})
_BLOCKS: Final = frozenset(
    {"div", "section", "article", "table", "ul", "ol", "dl", "p", "pre", "figure", "details", "h2", "h3"}
)


@dataclass(frozen=True)
class Element:
    """A start tag, and the names of the elements around it, outermost first."""

    name: str
    attributes: dict[str, str]
    around: tuple[str, ...]


@dataclass
class Page(HTMLParser):
    """The elements and the text of a page, in order, and what is wrong with it."""

    elements: list[Element] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    @classmethod
    def read(cls, html: str) -> Page:
        """Read a whole page."""
        page = cls()
        page.feed(html)
        page.close()
        page.faults += [f"{name} is never closed" for name in page._open]
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self._fault(f"{tag} has an attribute twice")
        inline = next((each for each in self._open if each in _INLINE_ONLY), None)
        if inline and tag in _BLOCKS:
            self._fault(f"{tag} in {inline}")
        self.elements.append(
            Element(tag, {name: value or "" for name, value in attrs}, tuple(self._open)),
        )
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()
        if "svg" not in self._open and tag != "svg":
            self._fault(f"{tag} closes itself, which HTML does not know")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self._fault(f"{tag} is closed within {self._open[-1] if self._open else 'nothing'}")
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text.append(data)

    def of(self, name: str) -> list[Element]:
        """The elements of a name."""
        return [element for element in self.elements if element.name == name]

    @property
    def ids(self) -> list[str]:
        return [element.attributes["id"] for element in self.elements if "id" in element.attributes]

    @property
    def words(self) -> str:
        """The text, with single spaces."""
        return " ".join(" ".join(self.text).split())

    def _fault(self, what: str) -> None:
        self.faults.append(f"line {self.getpos()[0]}: {what}")
