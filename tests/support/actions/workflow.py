"""Runs a workflow: its jobs in the order of `needs`, each in a fresh clone with an empty home."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from support.actions.expressions import Status, UnknownConstructError, as_text, condition, interpolate
from support.actions.hosting import TOKEN, Machine, combinations
from support.workflows import load_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from support.actions.hosting import Hosting

REPOSITORY: Final = "somebody/farm"
_WORKFLOW: Final = {"name", "on", "permissions", "defaults", "concurrency", "jobs"}
_JOB: Final = {
    *("name", "needs", "if", "runs-on", "timeout-minutes", "permissions", "strategy", "outputs", "steps"),
    *("env", "environment", "concurrency"),
}
_CALL: Final = {"needs", "if", "permissions", "uses", "with"}
_STEP: Final = {"name", "id", "if", "uses", "with", "run", "env"}
_NETWORK: Final = re.compile(r"(PIP|UV|SSL|REQUESTS|CURL)_\w+|(https?|no|all)_proxy", re.IGNORECASE)
"""Variables without which this machine reaches no package index; a runner has its own."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Why a workflow runs."""

    name: str
    ref: str = "refs/heads/main"
    inputs: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Finished:
    """The result of a run."""

    results: dict[str, str] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    """Output of each machine, by its name: the job and its matrix entry."""
    pages: dict[str, str] = field(default_factory=dict)
    """What it wrote on the page of the run."""


def _check_keys(table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = table.keys() - known
    if unknown:
        raise UnknownConstructError(f"{', '.join(sorted(unknown))} in {where}")


@dataclass
class _Run:
    hosting: Hosting
    event: Event
    id: str
    api: str
    tamper: Callable[[str, Path], None]
    done: frozenset[str]
    finished: Finished = field(default_factory=Finished)

    def load(self, file: str) -> dict[str, Any]:
        document: dict[str, Any] = load_yaml((self.hosting.repository / file).read_text("utf-8"))
        _check_keys(document, _WORKFLOW, file)
        bash = {"run": {"shell": "bash"}}
        if document.get("defaults", bash) != bash or document["permissions"] != {}:
            raise UnknownConstructError(f"other defaults or permissions in {file}")
        return document

    def workflow(self, file: str) -> None:
        jobs = self.load(file)["jobs"]
        graph: dict[str, list[str]] = {name: job.get("needs", []) for name, job in jobs.items()}
        done: dict[str, dict[str, Any]] = {}
        for name in TopologicalSorter(graph).static_order():
            needs = {each: done[each] for each in graph[name]}
            before, queue = set[str](), list(graph[name])
            while queue:
                before.add(each := queue.pop())
                queue += graph[each]
            status = Status(
                success=all(each["result"] == "success" for each in needs.values()),
                failure=any(done[each]["result"] == "failure" for each in before),
            )
            contexts = self.contexts() | {"inputs": dict(self.event.inputs), "needs": needs}
            done[name] = {"result": "success" if name in self.done else "skipped", "outputs": {}}
            if name not in self.done and condition(jobs[name].get("if"), contexts, status):
                run = self.call if "uses" in jobs[name] else self.job
                done[name] = run(name, jobs[name], contexts)
            self.finished.results[name] = done[name]["result"]

    def contexts(self) -> dict[str, Any]:
        event = {"event_name": self.event.name, "ref": self.event.ref}
        return {"github": event | {"token": TOKEN, "run_id": self.id}, "secrets": dict(self.event.secrets)}

    def call(self, name: str, job: dict[str, Any], contexts: dict[str, Any]) -> dict[str, Any]:
        """Run the one job of a reusable workflow, which sees its inputs and no secrets."""
        _check_keys(job, _CALL, name)
        document = self.load(job["uses"].removeprefix("./"))
        declared, inputs = document["on"]["workflow_call"]["inputs"], interpolate(job["with"], contexts)
        missing = {key for key, each in declared.items() if each.get("required")} - inputs.keys()
        if missing or inputs.keys() - declared.keys() or not all(isinstance(v, str) for v in inputs.values()):
            raise UnknownConstructError(f"the inputs {inputs} of {job['uses']}")
        (called,) = document["jobs"].values()
        if not called["permissions"].items() <= job["permissions"].items():
            raise UnknownConstructError(f"{job['uses']} has more permissions than {name}")
        return self.job(name, called, self.contexts() | {"inputs": inputs, "secrets": {}})

    def job(self, name: str, job: dict[str, Any], contexts: dict[str, Any]) -> dict[str, Any]:
        _check_keys(job, _JOB, name)
        strategy = job.get("strategy", {})
        _check_keys(strategy, {"fail-fast", "matrix"}, name)
        entries = combinations(interpolate(strategy["matrix"], contexts)) if strategy else [{}]
        if not entries:
            raise UnknownConstructError(f"{name} runs with an empty matrix, which GitHub refuses")
        outputs, succeeded = dict[str, str](), []
        for entry in entries:
            machine = "-".join([name, *map(str, entry.values())])
            step_runner = _Steps(self, machine, job, contexts | {"matrix": entry, "steps": {}})
            succeeded.append(step_runner.run())
            outputs |= step_runner.texts(job.get("outputs", {}))
        return {"result": "success" if all(succeeded) else "failure", "outputs": outputs}


@dataclass
class _Steps:
    """The steps of one machine."""

    of: _Run
    name: str
    job: dict[str, Any]
    contexts: dict[str, Any]

    def run(self) -> bool:
        """Run all steps; returns whether the job succeeded."""
        directory = self.of.hosting.root / "machines" / f"{self.of.id}-{self.name}"
        for part in ("home", "temp", "files"):
            (directory / part).mkdir(parents=True)
        machine = Machine(
            workspace=directory / "work",
            run=self.of.id,
            permissions=self.job["permissions"],
            ref=self.of.event.ref,
        )
        finished, status = self.of.finished, Status()
        finished.logs[self.name] = finished.pages[self.name] = ""
        self.contexts["env"] = self.texts(self.job.get("env", {}))
        for number, step in enumerate(self.job["steps"]):
            _check_keys(step, _STEP, f"{self.name}, step {number}")
            if not condition(step.get("if"), self.contexts, status):
                continue
            try:
                outputs = self.act(step, machine) if "uses" in step else self.script(number, step, machine)
            except (OSError, subprocess.CalledProcessError) as problem:
                finished.logs[self.name] += f"{step.get('name', step.get('uses'))}: {problem}\n"
                status.success, status.failure = False, True
                continue
            if "id" in step:
                self.contexts["steps"][step["id"]] = {"outputs": outputs}
        return status.success

    def act(self, step: dict[str, Any], machine: Machine) -> dict[str, str]:
        action, _, commit = step["uses"].partition("@")
        if not re.fullmatch("[0-9a-f]{40}", commit):
            raise UnknownConstructError(f"{step['uses']} is not pinned")
        self.of.hosting.act(action, interpolate(step.get("with", {}), self.contexts), machine)
        self.of.tamper(f"{self.name}: {step.get('name', action)}", machine.workspace)
        return {}

    def script(self, number: int, step: dict[str, Any], machine: Machine) -> dict[str, str]:
        directory = machine.workspace.parent
        names = ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        files = {name: directory / "files" / f"{name}-{number}" for name in names}
        for file in files.values():
            file.touch()
        script = directory / "files" / f"script-{number}.sh"
        script.write_text(interpolate(step["run"], self.contexts), encoding="utf-8")
        environ = self.environ(machine) | {name: str(path) for name, path in files.items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=machine.workspace if machine.workspace.is_dir() else directory,
            env=environ | self.contexts["env"] | self.texts(step.get("env", {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60 * self.job["timeout-minutes"],
        )
        self.of.finished.logs[self.name] += f"$ {step['run']}\n{done.stdout}"
        self.of.finished.pages[self.name] += files["GITHUB_STEP_SUMMARY"].read_text("utf-8")
        machine.paths[:0] = files["GITHUB_PATH"].read_text("utf-8").split()
        done.check_returncode()
        lines = files["GITHUB_OUTPUT"].read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def texts(self, table: Mapping[str, Any]) -> dict[str, str]:
        return {name: as_text(value) for name, value in interpolate(table, self.contexts).items()}

    def environ(self, machine: Machine) -> dict[str, str]:
        """What a runner gives to every step, and nothing of this process but how packages are reached."""
        directory, of = machine.workspace.parent, self.of
        return {name: value for name, value in os.environ.items() if _NETWORK.fullmatch(name)} | {
            "PATH": os.pathsep.join([*machine.paths, "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(directory / "home"),
            "RUNNER_TEMP": str(directory / "temp"),
            "PIP_CACHE_DIR": str(of.hosting.root / "tool-cache"),
            "LANG": "C.UTF-8",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": of.api,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_EVENT_NAME": of.event.name,
            "GITHUB_REF": of.event.ref,
            "GITHUB_RUN_ID": of.id,
            "GITHUB_WORKSPACE": str(machine.workspace),
        }


def run_workflow(
    hosting: Hosting,
    event: Event,
    *,
    run: str,
    tamper: Callable[[str, Path], None] = lambda _step, _workspace: None,
    done: frozenset[str] = frozenset(),
) -> Finished:
    """Run farm.yml of a repository.

    Args:
        hosting: the repository, its artifacts and earlier runs.
        event: why it runs.
        run: its id.
        tamper: is called after each step that uses an action, to do harm.
        done: jobs that have succeeded before, such as those before a job that somebody runs again.

    Raises:
        UnknownConstructError: for anything in it that this runner does not know.
    """
    with hosting.api() as address:
        this = _Run(hosting, event, run, address, tamper, done)
        this.workflow(".github/workflows/farm.yml")
    return this.finished
