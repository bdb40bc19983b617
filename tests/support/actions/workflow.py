"""Runs a workflow: its jobs in the order of `needs`, each in a fresh clone with an empty home."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from support.actions.expressions import Status, UnknownConstructError, as_text, condition, interpolate
from support.actions.hosting import TOKEN, Where, combinations
from wheelfarm.ci.yaml_document import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from support.actions.hosting import Hosting

_WORKFLOW: Final = {"name", "on", "permissions", "defaults", "concurrency", "jobs"}
_JOB: Final = {
    *("name", "needs", "if", "runs-on", "timeout-minutes", "permissions", "strategy", "outputs", "steps"),
    *("environment", "concurrency"),
}
_CALL: Final = {"name", "needs", "if", "permissions", "uses", "with"}
_STEP: Final = {"name", "id", "if", "uses", "with", "run", "env"}
_MACHINE: Final = re.compile(r"(PIP|UV|SSL|REQUESTS|CURL)_\w+|(https?|no|all)_proxy", re.IGNORECASE)
"""Variables of this machine without which it reaches no package index; a runner has its own."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Why a workflow runs."""

    name: str
    ref: str = "refs/heads/main"
    inputs: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Finished:
    """What came of a run."""

    results: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    """What the legs of jobs have printed, by the name of the leg."""
    pages: dict[str, str] = field(default_factory=dict)
    """What they wrote on the page of the run."""
    clones: dict[str, Path] = field(default_factory=dict)


@dataclass
class _Run:
    hosting: Hosting
    event: Event
    id: str
    api: str
    tamper: Callable[[str, Path], None]
    finished: Finished = field(default_factory=Finished)

    def contexts(self, inputs: Mapping[str, Any], needs: Mapping[str, Any]) -> dict[str, Any]:
        github = {
            "event_name": self.event.name,
            "ref": self.event.ref,
            "token": TOKEN,
            "run_id": self.id,
        }
        secrets = dict(self.event.secrets)
        return {"github": github, "inputs": dict(inputs), "needs": dict(needs), "secrets": secrets}

    def workflow(self, file: str, inputs: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """Run a file; gives the results of its jobs, and its outputs where it is called by others."""
        path = self.hosting.repository / ".github/workflows" / file
        document = read(path.read_text("utf-8"))
        _known(document, _WORKFLOW, file)
        if document.get("defaults") != {"run": {"shell": "bash"}} or document["permissions"] != {}:
            raise UnknownConstructError(f"other defaults or permissions in {file}")
        needs: dict[str, dict[str, Any]] = {}
        graph = {name: job.get("needs", []) for name, job in document["jobs"].items()}
        for name in TopologicalSorter(graph).static_order():
            needs[name] = self._job(name, document["jobs"][name], needs, graph, inputs)
        called = (document["on"].get("workflow_call") or {}).get("outputs", {})
        outputs = {
            name: interpolate(each["value"], {"jobs": needs, **self.contexts(inputs, {})})
            for name, each in called.items()
        }
        return {name: each["result"] for name, each in needs.items()}, outputs

    def _job(
        self,
        name: str,
        job: dict[str, Any],
        done: Mapping[str, dict[str, Any]],
        graph: Mapping[str, list[str]],
        inputs: Mapping[str, Any],
    ) -> dict[str, Any]:
        _known(job, _CALL if "uses" in job else _JOB, name)
        needs = {each: done[each] for each in graph[name]}
        contexts = self.contexts(inputs, needs)
        before, waiting = set(graph[name]), list(graph[name])
        while waiting:
            before |= set(more := graph[waiting.pop()])
            waiting += more
        status = Status(
            success=all(each["result"] == "success" for each in needs.values()),
            failure=any(done[each]["result"] == "failure" for each in before),
        )
        result: dict[str, Any] = {"result": "skipped", "outputs": {}}
        if condition(job.get("if"), contexts, status):
            run = self._call if "uses" in job else self._legs
            result = run(name, job, contexts)
        self.finished.results[name] = result["result"]
        self.finished.outputs[name] = result["outputs"]
        return result

    def _call(self, name: str, job: dict[str, Any], contexts: dict[str, Any]) -> dict[str, Any]:
        del name
        file = job["uses"].removeprefix("./.github/workflows/")
        results, outputs = self.workflow(file, interpolate(job["with"], contexts))
        failed = "failure" in results.values()
        return {"result": "failure" if failed else "success", "outputs": outputs}

    def _legs(self, name: str, job: dict[str, Any], contexts: dict[str, Any]) -> dict[str, Any]:
        strategy = job.get("strategy", {})
        _known(strategy, {"fail-fast", "matrix"}, name)
        legs = combinations(interpolate(strategy["matrix"], contexts)) if strategy else [{}]
        if not legs:
            raise UnknownConstructError(f"{name} runs with an empty matrix, which the host refuses")
        outputs: dict[str, str] = {}
        ended = []
        for leg in legs:
            one = _Leg(self, "-".join([name, *map(str, leg.values())]), job, contexts | {"matrix": leg})
            ended.append(one.perform())
            outputs |= {key: value for key, value in one.outputs.items() if value or key not in outputs}
        return {"result": "success" if all(ended) else "failure", "outputs": outputs}


@dataclass
class _Leg:
    """One machine's work."""

    run: _Run
    name: str
    job: dict[str, Any]
    contexts: dict[str, Any]
    outputs: dict[str, str] = field(default_factory=dict)

    def perform(self) -> bool:
        """Do all steps; gives whether the job ended well."""
        place = self.run.hosting.root / "machines" / f"{self.run.id}-{self.name}"
        for part in ("home", "temp", "files"):
            (place / part).mkdir(parents=True)
        where = Where(workspace=place / "work", run=self.run.id, permissions=self.job["permissions"])
        finished, steps = self.run.finished, dict[str, Any]()
        self.contexts["steps"] = steps
        status, variables = Status(), dict[str, str]()
        finished.clones[self.name] = where.workspace
        finished.logs[self.name] = finished.pages[self.name] = ""
        for number, step in enumerate(self.job["steps"]):
            _known(step, _STEP, f"{self.name}, step {number}")
            if not condition(step.get("if"), self.contexts, status):
                continue
            try:
                told = self._step(number, step, where, variables)
            except (OSError, subprocess.CalledProcessError) as problem:
                finished.logs[self.name] += f"{step.get('name', step.get('uses'))}: {problem}\n"
                status.success, status.failure = False, True
                continue
            if "id" in step:
                steps[step["id"]] = {"outputs": told}
        self.outputs = self._texts(self.job.get("outputs", {}))
        return status.success

    def _step(
        self, number: int, step: dict[str, Any], where: Where, variables: dict[str, str]
    ) -> dict[str, str]:
        if "uses" in step:
            action, _, commit = step["uses"].partition("@")
            if not re.fullmatch("[0-9a-f]{40}", commit):
                raise UnknownConstructError(f"{step['uses']} is not pinned")
            self.run.hosting.act(action, interpolate(step.get("with", {}), self.contexts), where)
            self.run.tamper(f"{self.name}: {step.get('name', action)}", where.workspace)
            return {}
        place = where.workspace.parent
        files = {
            name: place / "files" / f"{name}-{number}"
            for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }
        for file in files.values():
            file.touch()
        script = place / "files" / f"script-{number}.sh"
        script.write_text(interpolate(step["run"], self.contexts), encoding="utf-8")
        said = self._texts(step.get("env", {}))
        environ = self._environ(where) | {name: str(path) for name, path in files.items()} | variables | said
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=where.workspace,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60 * self.job["timeout-minutes"],
        )
        self.run.finished.logs[self.name] += f"$ {step['run']}\n{done.stdout}"
        self.run.finished.pages[self.name] += files["GITHUB_STEP_SUMMARY"].read_text("utf-8")
        variables |= _assignments(files["GITHUB_ENV"])
        where.paths[:0] = files["GITHUB_PATH"].read_text("utf-8").split()
        done.check_returncode()
        return _assignments(files["GITHUB_OUTPUT"])

    def _texts(self, table: Mapping[str, Any]) -> dict[str, str]:
        return {name: as_text(value) for name, value in interpolate(table, self.contexts).items()}

    def _environ(self, where: Where) -> dict[str, str]:
        """What a runner gives to every step, and nothing of this process but how packages are reached."""
        place, run = where.workspace.parent, self.run
        return {name: value for name, value in os.environ.items() if _MACHINE.fullmatch(name)} | {
            "PATH": os.pathsep.join([*where.paths, "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(place / "home"),
            "RUNNER_TEMP": str(place / "temp"),
            "PIP_CACHE_DIR": str(run.hosting.root / "tool-cache"),
            "LANG": "C.UTF-8",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": run.api,
            "GITHUB_REPOSITORY": "somebody/farm",
            "GITHUB_EVENT_NAME": run.event.name,
            "GITHUB_REF": run.event.ref,
            "GITHUB_RUN_ID": run.id,
            "GITHUB_WORKSPACE": str(where.workspace),
        }


def _assignments(path: Path) -> dict[str, str]:
    """What a step has written into one of its files: `name=value` a line, or a value between two marks."""
    found: dict[str, str] = {}
    lines = iter(path.read_text("utf-8").splitlines())
    for line in lines:
        name, sign, value = line.partition("=")
        if "<<" in name or not sign:
            name, _, mark = line.partition("<<")
            value = "\n".join(iter(lambda: next(lines), mark))
        found[name] = value
    return found


def _known(table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = table.keys() - known
    if unknown:
        raise UnknownConstructError(f"{', '.join(sorted(unknown))} in {where}")


def run_workflow(
    hosting: Hosting,
    event: Event,
    *,
    run: str,
    file: str = "farm.yml",
    tamper: Callable[[str, Path], None] = lambda _step, _workspace: None,
) -> Finished:
    """Run a workflow of a repository.

    Args:
        hosting: the repository, its artifacts and earlier runs.
        event: why it runs.
        run: its id.
        file: the workflow's file.
        tamper: is called after each step that uses an action, to do harm.

    Raises:
        UnknownConstructError: for anything in it that this runner does not know.
    """
    with hosting.api() as address:
        this = _Run(hosting, event, run, address, tamper)
        this.workflow(file, event.inputs)
    return this.finished
