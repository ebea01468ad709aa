"""What `snakemake plan` counts where some results are there already."""


def shown(workspace) -> str:
    done = workspace.snakemake("plan", "--cores", "1")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_is_planned_where_everything_is_done(workspace):
    assert workspace.planned() == {}
    # Where jobs run changes no result.
    assert workspace.planned("--config", "gpus_per_job=1") == {}
    assert shown(workspace).strip() == "Nothing is left to be done."


def test_what_was_lost_is_planned_and_nothing_else(workspace):
    # Snakemake makes a missing file again only for the sake of one further on that is missing too.
    results = workspace.folder / "results/everything"
    lost = [results / "responses/wording-plain/test-0.jsonl", results / "answers/wording-plain.csv"]
    for path in [*lost, *(results / "scores/wording-plain").iterdir(), *(results / "scores").glob("summary.*")]:
        path.unlink()
    (results / "report/report.html").unlink()
    wanted = {rule: count for rule, count in workspace.planned().items() if rule not in ("all", "total")}
    assert wanted["respond"] == wanted["answers"] == wanted["summary"] == 1
    text = shown(workspace)
    table = text.split("\n\n")[0].splitlines()
    rules = [line.split() for line in table if not line.startswith(("rule", "-", "total"))]
    assert {cells[0]: int(cells[2 if cells[1] == "*" else 1]) for cells in rules} == wanted
    assert "wording-plain" in text and "wording-expert" not in text
