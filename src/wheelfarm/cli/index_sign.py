"""index.sign: new signatures for published wheels, before a key of the site expires."""

from __future__ import annotations

from wheelfarm.cli.task import Invocation, parse_releases, task
from wheelfarm.errors import Collector, counted
from wheelfarm.run.publication import Publication, choose_index_name


@task(
    *("variant", "dry_run", "json"),
    packages="distributions or releases, such as scipy or scipy==1.17.1, or all",
)
def sign(call: Invocation, packages: str, *, index: str | None = None) -> None:
    """Sign the provenance of published wheels with `sign-key`, where a signature of an older key counts."""
    name, problems = choose_index_name(call.farm, index), Collector()
    publication = Publication(farm=call.farm, index_name=name, variant=call.farm.settings.variant)
    found = list(publication.sign_again(parse_releases(packages), writes=not call.dry_run))
    for each in found:
        if each.error is not None:
            problems.add(each.error)
    verb = "would be signed" if call.dry_run else "signed"
    states = {each.filename: "refused" if each.error else verb if each.new else "unchanged" for each in found}
    data = [
        {"project": each.project, "filename": each.filename, "state": states[each.filename]} for each in found
    ]
    call.show(data, (f"{state:<10}{filename}" for filename, state in states.items()))
    if call.dry_run and any(each.new for each in found):
        publication.check_key()
    problems.check()
    call.screen.say(f"{counted(sum(each.new for each in found), 'wheel')} {verb}")
