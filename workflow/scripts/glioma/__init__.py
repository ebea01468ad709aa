"""Voxels vs Tokens: everything of the workflow that can be tested without Snakemake."""
