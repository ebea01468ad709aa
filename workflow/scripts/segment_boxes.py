"""Masks of the boxes that runs, networks and the truth draw, by one promptable segmenter."""

from glioma import tasks
from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import crop_files, folds, truth
from glioma.scoring import baselines
from glioma.scoring.tables import of_masks
from glioma.vlm import requests

with job(snakemake):
    import pandas as pd

    from glioma.cnn import device
    from glioma.sam import models, predict

    given, params = snakemake.input, snakemake.params
    entry, side, task = params.sam, params.side, tasks.get(params.task)
    table = folds.read(given.folds)
    part = "test" if entry["patients"] == "test" else "everyone"
    wanted = pd.DataFrame(requests.of_run(table, given.crops, params.queries, part))
    patients = wanted["patient"].unique()
    answers = dict(zip(params.runs, given.answers, strict=True))
    masks = dict(zip(params.networks, given.masks, strict=True))
    boxes = {}
    for source in entry["boxes"]:
        if source in answers:
            boxes[source] = predict.of_run(tasks.read_answers(answers[source]), wanted, source)
        elif source in masks:
            drawn = {patient: crop_files.load_predicted(masks[source], patient) for patient in patients}
            boxes[source] = baselines.answers_from_masks(wanted, task, drawn, side)
        else:
            true = truth.masks(given.crops, patients)
            shown = of_masks(wanted, true, params.queries["tumour_pixels"])
            boxes[source] = baselines.answers_from_masks(
                shown[shown["tumour"]], task, {patient: mask > 0 for patient, mask in true.items()}, side
            )
    count = predict.predict(
        models.load(entry["model"], device.choose()), given.crops, boxes, side, snakemake.output.masks
    )
    columns = [*wanted.columns, "status", "points"]
    write_csv(pd.concat([own[columns].assign(source=source) for source, own in boxes.items()]), snakemake.output.boxes)
    print(f"{count} slices encoded")
