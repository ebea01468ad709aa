"""The crop of one patient, its labels and the geometry that leads back to the scan."""

from glioma.base.job import job
from glioma.cohort import crops
from glioma.cohort.sequences import SCANS

with job(snakemake):
    paths = {name: snakemake.input[name] for name in SCANS}
    mode, shape = snakemake.params.crops["mode"], tuple(snakemake.params.crops["shape"])
    crop = crops.make(snakemake.wildcards.patient, paths, mode, shape, snakemake.params.labels)
    crops.save(crop, snakemake.output.image, snakemake.output.mask, snakemake.output.geometry)
    print(f"voxels of {crop.geometry['spacing']} mm, {crop.geometry['tumour_share_in_crop']} of the tumour inside")
