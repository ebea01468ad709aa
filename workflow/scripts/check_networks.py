"""Whether every network of a study can be built at all, before the first is trained."""

from glioma.base.errors import UserError
from glioma.base.files import write_json
from glioma.base.job import job

with job(snakemake):
    from glioma.cnn import networks
    from glioma.cnn.recipe import Recipe

    weights = {}
    for name, entry in snakemake.params.networks.items():
        recipe = Recipe.read(entry)
        try:
            network = networks.build(recipe, recipe.shape(tuple(snakemake.params.shape)))
        except UserError as error:
            raise UserError(f"configuration, key networks.{name}: {error}") from None
        weights[name] = networks.count_parameters(network)
    write_json(weights, snakemake.output[0])
