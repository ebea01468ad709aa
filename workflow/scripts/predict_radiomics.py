"""Radiomics: features of the masks that a network predicts, and grades from them."""

import pandas as pd

from glioma.base.files import write_csv
from glioma.base.job import job
from glioma.cohort import crop_files, folds, truth
from glioma.radiomics import features, grader
from glioma.radiomics.settings import Radiomics

with job(snakemake):
    keys = Radiomics.read(snakemake.params.radiomics)
    table = folds.read(snakemake.input.folds)
    images, masks = snakemake.input.crops, snakemake.input.masks
    described = {
        patient: features.describe(crop_files.load(images, patient), crop_files.load_predicted(masks, patient), spacing)
        for patient, spacing in truth.spacings(images, table["patient"]).items()
    }
    described = pd.DataFrame.from_dict(described, orient="index", columns=list(features.NAMES))
    predictions, coefficients = grader.predict(
        described, table, keys.strengths, keys.inner_folds, snakemake.params.seed
    )
    write_csv(described.rename_axis("patient").reset_index(), snakemake.output.features)
    write_csv(coefficients, snakemake.output.coefficients)
    write_csv(predictions, snakemake.output.predictions)
