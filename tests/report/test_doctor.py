"""What `doctor` shows: the answer first, then a table, then what mends it."""

from __future__ import annotations

from wheelfarm.report.doctor import doctor_data, doctor_lines
from wheelfarm.run.doctor.check import Check, Status

GOOD = Check(name="git", status=Status.OK, finding="git version 2", details=("/usr/bin/git",))
BAD = Check(name="compilers", status=Status.FAULT, finding="c is missing", command="apt-get install gcc")
ODD = Check(name="sandbox", status=Status.WARNING, finding="none works", command="apt-get install bubblewrap")


def test_the_answer_is_in_the_first_line() -> None:
    firsts = [next(doctor_lines(checks, verbose=False)) for checks in ([GOOD], [ODD], [BAD, ODD], [BAD, BAD])]
    assert firsts == [
        "builds can run here, 0 warnings",
        "builds can run here, 1 warning",
        "1 fault that stops builds here, 1 warning",
        "2 faults that stop builds here, 0 warnings",
    ]


def test_faults_are_mended_first() -> None:
    lines = [*doctor_lines([GOOD, ODD, BAD], verbose=False)]
    assert lines[2].split() == ["check", "result", "finding"]
    assert lines[3].split() == ["git", "ok", "git", "version", "2"]
    assert lines[-3:] == [
        "What mends it:",
        "  compilers: apt-get install gcc",
        "  sandbox: apt-get install bubblewrap",
    ]
    assert "/usr/bin/git" not in "\n".join(lines)


def test_details_come_only_when_requested() -> None:
    assert [*doctor_lines([GOOD, BAD], verbose=True)][-2:] == ["git:", "  /usr/bin/git"]


def test_programs_get_everything() -> None:
    data = doctor_data([GOOD, BAD, ODD])
    assert (data["faults"], data["warnings"]) == (1, 1)
    assert data["checks"][1] == {
        "name": "compilers",
        "status": "fault",
        "finding": "c is missing",
        "command": "apt-get install gcc",
        "details": [],
    }
