"""Strict models for what people write in TOML: unknown keys, wrong types and bad values, all at once.

pydantic finds the problems; this module says them in our words, with file, key path and nearest valid name.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Final, Self, TypeVar, get_args
from urllib.parse import urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError, PydanticKnownError
from pydantic_core.core_schema import no_info_after_validator_function

from wheelfarm.errors import Collector, FarmError
from wheelfarm.model import Platform, parse_digest, parse_name
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.system.files import read_text
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema, ErrorDetails

    _Path = tuple[str | int, ...]


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class StrictModel(BaseModel):
    """A frozen table: no unknown keys, no silent conversions, names in kebab-case as TOML has them."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        alias_generator=_kebab,
        validate_by_alias=True,
        validate_by_name=False,
    )

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """The table itself: nothing changes it. pydantic copies the defaults of each table."""
        del memo
        return self


Table = TypeVar("Table", bound=StrictModel)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, if there is one."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def suggestion(word: str, known: Iterable[str]) -> str:
    """What to say of a word that is not known: the nearest one, or all that are valid."""
    names = sorted(map(str, known))  # also members of a StrEnum
    near = nearest(word, names)
    return f"did you mean {near!r}?" if near else f"valid are: {', '.join(names) or '(none)'}"


def _tables(annotation: object) -> Iterable[type[BaseModel]]:
    """The models that an annotation can hold, through optional, union, list and dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _tables(argument)


def _keys_at(model: type[BaseModel], path: _Path) -> set[str]:
    """The keys that are valid in the table at `path` of `model`."""
    tables = [model]
    for step in path:
        fields = [f for table in tables for f in table.model_fields.values() if step == f.alias]
        if fields:
            tables = [table for f in fields for table in _tables(f.annotation)]
    return {field.alias or "" for table in tables for field in table.model_fields.values()}


def _dotted(path: _Path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "(the whole table)"


def _place(details: ErrorDetails, data: object) -> _Path:
    """Where the file has a problem: pydantic's location without the names of union members and the like."""
    path: _Path = ()
    for step in details["loc"]:
        match data:
            case dict() if step in data:
                data = data[step]
            case list() if isinstance(step, int):
                data = data[step]
            case _:
                continue
        path = (*path, step)
    return (*path, details["loc"][-1]) if details["type"] == "missing" else path


_EXPECTED: Final = {
    **dict.fromkeys(("list_type", "tuple_type"), "a list is expected"),
    "string_type": "a text in quotes is expected",
    "bool_type": "true or false is expected",
    "int_type": "a whole number is expected",
    "float_type": "a number is expected",
    **dict.fromkeys(("dict_type", "model_type"), "a table is expected"),
}
"""The type of pydantic's problem → the same in the words of TOML."""


def _problem(
    model: type[BaseModel], details: ErrorDetails, path: _Path, *, where: str, error: type[FarmError]
) -> FarmError:
    """One of pydantic's problems as our error."""
    context = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            *above, key = path
            near = suggestion(str(key), _keys_at(model, tuple(above)))
            return error(f"unknown key {key!r}", where=where, hint=near)
        case "missing":
            return error(f"missing key {path[-1]!r}", where=where, hint=f"add {path[-1]!r}")
        case "union_tag_not_found":
            return error(f"missing key {context['discriminator']}", where=where)
        case "union_tag_invalid":
            word, valid = context["tag"], _quoted(context["expected_tags"])
            what = f"bad value {word!r} of {context['discriminator']}"
            return error(what, where=where, hint=suggestion(word, valid))
    # A validator that knows of a secret in the value says what may be shown of it.
    value = context.get("shown", details["input"])
    # What our own validators say comes without pydantic's "Value error, ".
    why = str(context.get("error", _EXPECTED.get(details["type"], details["msg"])))
    hint = suggestion(str(value), _quoted(context["expected"])) if "expected" in context else None
    if details["type"] in {"list_type", "tuple_type"} and isinstance(value, str):
        hint = f"write [{json.dumps(value, ensure_ascii=False)}]"
    # This is how pydantic marks a key of a table with free keys.
    kind = "key" if details["loc"][-1:] == ("[key]",) else "value"
    return error(f"bad {kind} {value!r}", where=where, why=why, hint=hint)


def _quoted(text: str) -> list[str]:
    """The words that pydantic lists as valid."""
    return re.findall(r"'([^']*)'", text)


def parse(model: type[Table], data: Mapping[str, Any], *, where: str, error: type[FarmError]) -> Table:
    """Validate what the TOML parser gave as `model`.

    Raises:
        FarmError: of class `error`, naming the file `where`; a group when there is more than one problem.
    """
    try:
        return model.model_validate(data)
    except ValidationError as invalid:
        found: dict[_Path, FarmError] = {}
        for details in invalid.errors(include_url=False):
            path = _place(details, data)
            problem = _problem(model, details, path, where=f"{where}: {_dotted(path)}", error=error)
            # Each member of a union has its say about the same value.
            if path in found:
                problem.why = f"{found[path].why}, or: {problem.why}"
            found[path] = problem
        problems = Collector()
        for path, problem in found.items():
            # A wrong item says more than that its list is no string either.
            if not any(other != path and other[: len(path)] == path for other in found):
                problems.add(problem)
        raise problems.error() from invalid


def read_toml(path: Path, *, error: type[FarmError]) -> dict[str, Any]:
    """The parsed TOML file.

    Raises:
        FarmError: of class `error`, when it is missing, unreadable, not UTF-8 or not TOML.
    """
    try:
        return parse_toml(read_text(path, error))
    except OSError as problem:
        raise error(f"cannot read {path.name}", where=str(path), why=problem.strerror) from problem
    except ValueError as problem:  # also a number of thousands of digits
        raise error(f"{path.name} is not valid TOML", where=str(path), why=str(problem)) from problem


def parsed_by(parse: Callable[[str], object]) -> BeforeValidator:
    """Validator that makes a value of a text; `parse` raises a FarmError or a ValueError for a bad one."""

    def check(value: object) -> object:
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        try:
            return parse(value)
        except FarmError as problem:
            raise ValueError(": ".join(filter(None, (problem.what, problem.why)))) from problem

    return BeforeValidator(check)


def readable_by(kind: Callable[[str], object], problem: type[Exception], noun: str) -> AfterValidator:
    """Validator for a text that `packaging` can read; the text stays as it is."""

    def check(text: str) -> str:
        try:
            kind(text)
        except problem as error:
            raise ValueError(f"{text!r} is not {noun}") from error
        return text

    return AfterValidator(check)


def one_of(words: Iterable[str], noun: str) -> AfterValidator:
    """Validator for one of several words; its error names the nearest."""
    known = {word: repr(word) for word in words}

    def check(text: str) -> str:
        if text not in known:
            raise PydanticCustomError(
                "unknown", "no such {noun}", {"noun": noun, "expected": ", ".join(known.values())}
            )
        return text

    return AfterValidator(check)


@dataclass(frozen=True)
class TextForm:
    """Validator for a text of a form: the schema has it as a pattern, the error says it in words.

    Args:
        pattern: what the whole text must match, without anchors.
        words: what such a text is, after "it is not".
    """

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check what has passed as a text."""
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Show editors the pattern."""
        return handler(schema) | {"pattern": f"^{self.pattern}$"}

    def _check(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"it is not {self.words}")
        return text


def _file(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text or not text:
        raise ValueError("a file is named relative to its directory, without '..'")
    return text


def _commit(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text):
        raise ValueError("a commit is pinned by its full hash: a branch or tag can move")
    return text


_SIZE: Final = re.compile(r"(0*[1-9]\d{0,8}(\.\d+)?|0+\.0*[1-9]\d*) ?([kMGT])B?")
SIZE_NOUN: Final = "an amount such as 250M, 250MB or 1.5G, in powers of ten"


def size_of(text: str) -> int:
    """The bytes that a `SizeText` means. Raises ValueError when it is none."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"it is not {SIZE_NOUN}")
    factor: int = 1000 ** (1 + "kMGT".index(found[3]))
    return max(1, round(float(found[1]) * factor))


def _no_credentials(url: str) -> str:
    """The url, when it holds no user and no password.

    Raises:
        PydanticCustomError: when it does; the error does not show them.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        shown = urlunsplit(parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}", query=""))
        raise PydanticCustomError(
            "credentials",
            "a url in a file that is shared may hold no credentials: they come from TWINE_USERNAME and "
            "TWINE_PASSWORD, netrc or keyring",
            {"shown": shown},
        )
    return url


NameText = Annotated[str, parsed_by(parse_name)]
DigestText = Annotated[
    str, parsed_by(parse_digest), Field(json_schema_extra={"pattern": "^[0-9a-fA-F]{64}$"})
]
VersionText = Annotated[str, readable_by(Version, InvalidVersion, "a version (PEP 440)")]
Specifiers = Annotated[str, readable_by(SpecifierSet, InvalidSpecifier, "a version range (PEP 440)")]
RequirementText = Annotated[
    str, readable_by(parse_requirement, InvalidRequirement, "a requirement (PEP 508)")
]
ReasonText = Annotated[str, TextForm(r"[\s\S]*\S[\s\S]*", "a reason in words")]
FileText = Annotated[str, AfterValidator(_file)]
Module = Annotated[
    str,
    TextForm(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", "a module's name, such as numpy.linalg"),
]
ConfigKey = Annotated[str, TextForm("[^=]+", "a name without '=': frontends take key=value")]
VariableName = Annotated[
    str, TextForm("[A-Za-z_][A-Za-z0-9_]*", "a variable's name: letters, digits and _, no digit first")
]
InstallTag = Annotated[
    str, TextForm(r"[^,\s]+", "a tag without commas and spaces: Meson separates tags by commas")
]
SplitKey = Annotated[
    str, TextForm("[a-z0-9]+(-[a-z0-9]+)*", "a name of small letters and digits, in parts joined by '-'")
]
PlatformName = Annotated[Platform, Field(strict=False)]
Url = Annotated[str, Field(min_length=1), AfterValidator(_no_credentials)]
CommitText = Annotated[str, AfterValidator(_commit)]
SizeText = Annotated[str, TextForm(_SIZE.pattern, SIZE_NOUN)]
"""An amount of memory or disk, more than nothing, in powers of ten, such as 3G."""
