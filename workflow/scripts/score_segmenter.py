"""The scores of one CNN segmenter, of every cohort."""

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import crop_files, folds, truth
from glioma.scoring.masks import score_cnn_segmenter
from glioma.scoring.settings import Settings
from glioma.scoring.summaries import Entry
from glioma.scoring.tables import members, merge, single_fold

with job(snakemake):
    keys = snakemake.params.settings
    settings = Settings.from_config(keys["scores"], keys["votes"], keys["side"], snakemake.params.seed)
    table = folds.read(snakemake.input.folds)
    crops, masks = snakemake.input.crops, snakemake.input.masks
    network = snakemake.wildcards.segmenter
    entry = Entry("segmentation", "cnn", network, snakemake.params.model, crops=snakemake.params.crops)
    known, spacings = truth.masks(crops, table["patient"]), truth.spacings(crops, table["patient"])

    def read(folder, patients):
        return ((patient, crop_files.load_predicted(folder, patient)) for patient in patients)

    common = {"masks": known, "entry": entry, "settings": settings, "spacings": spacings}
    cohorts = members(table)
    parts = []
    for cohort, patients in single_fold(table, snakemake.params.published).items():
        # Out of fold, a patient's mask is by that network anyway.
        folder = masks if cohort == "fold_validation" else snakemake.input.single
        own = {**common, "cohorts": {cohort: patients}}
        parts.append(score_cnn_segmenter(read(folder, patients), **own, whole_only=True))
    unseen = score_cnn_segmenter(
        read(masks, table["patient"]), **common, tumour_pixels=keys["tumour_pixels"], cohorts=cohorts
    )
    scores = merge([*parts, unseen])
    write_csv(scores.patients, snakemake.output.patients)
    write_csv(scores.summary, snakemake.output.summary)
