"""Survey: what the wheelhouse holds, as records and wheels tell it, beside the public wheels.

`take` reads, and the rest is pure. What cannot be read is a problem of that wheel alone: the survey goes on.
"""

from __future__ import annotations

from wheelfarm.survey.content import Content, File, Part, content_of
from wheelfarm.survey.finding import Edge, Finding, Past, Problem, PublicWheel, Survey, VariantSurvey
from wheelfarm.survey.public import Published, Unpublished, glibc_for
from wheelfarm.survey.sets import InstalledSet, installed_sets
from wheelfarm.survey.taking import as_data, take

__all__ = [
    "Content",
    "Edge",
    "File",
    "Finding",
    "InstalledSet",
    "Part",
    "Past",
    "Problem",
    "PublicWheel",
    "Published",
    "Survey",
    "Unpublished",
    "VariantSurvey",
    "as_data",
    "content_of",
    "glibc_for",
    "installed_sets",
    "take",
]
