"""One patient's slices asked with a run's prompt as it stands, on a page beside what former prompts were answered."""

from glioma import tasks
from glioma.base.job import job
from glioma.cohort import folds
from glioma.vlm import prompts, requests

with job(snakemake):
    from glioma import workbench
    from glioma.vlm.backends import Prompt
    from glioma.vlm.images import read_examples
    from glioma.vlm.respond import respond
    from glioma.vlm.settings import folder_of, located

    given, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    grades, crops = folds.grades(folds.read(given.folds)), given.crops
    choice = {key: params.queries[key] for key in ("orientations", "selection", "every", "tumour_pixels")}
    bench = workbench.Bench(
        requests=requests.sampled(requests.slices_of([wildcards.patient], crops, **choice), params.queries["samples"]),
        crops=crops,
        task=tasks.get(params.parsing["task"]),
        parsing=params.parsing,
        truth=params.truth,
        hgg=grades[wildcards.patient] == "HGG",
        how=params.generation,
    )
    prompt, system = prompts.read(given.prompt, params.wording), prompts.read_optional(given.system, params.wording)
    examples, kept, out = read_examples(given.examples), snakemake.config["store"], snakemake.output
    base, adapter = located(params.base, given.model), folder_of(given.adapter)
    asked = (base, adapter, bench.requests, crops, prompt, params.generation)
    how = (params.seed, params.code, kept, bench.task.name, system, examples)
    count = respond(*asked, out.responses, out.timing, *how)
    bench.write(
        out.page,
        tasks.read_responses(out.responses),
        prompt,
        bench.former(kept, base, adapter, Prompt(prompt, system=system, examples=examples)),
        run=wildcards.run,
        patient=wildcards.patient,
        banner="Phantom patient." if params.phantom else "Not one of the report's pages: for working on a prompt.",
        about=f"{count} of {len(bench.requests)} answers were asked for now; the others were known.",
    )
