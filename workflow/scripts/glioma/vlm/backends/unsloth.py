"""Models that Unsloth loads and runs, adapted by PEFT: as the study answered. Needs CUDA and `envs/unsloth.yaml`.

It is the backend of transformers with another loader: prompts, choices, sampling and batches are the same, only the
kernels are Unsloth's. In 4 bits it is the base that an adapter trained by Unsloth has met in training.
"""

from importlib.metadata import version

from glioma.base.errors import UserError
from glioma.vlm import unsloth_backend

# Unsloth patches transformers and must come first; where it is not there, `load` says so.
if unsloth_backend.available():
    unsloth_backend.prepare()
    import unsloth  # noqa: F401

from glioma.vlm import models
from glioma.vlm.backends.transformers import Transformers


class Unsloth(Transformers):
    """A model and its processor as `FastVisionModel` prepares them for inference."""

    # Its own `generate` has not been seen with a cache that is handed to it.
    shares_prefill = False

    def load(self) -> None:
        if self.model is not None:
            return
        if not unsloth_backend.available():
            raise UserError(
                f"model {self.base['name']}: backend unsloth needs CUDA and its environment; set backend: transformers"
            )
        self.model, self.processor = models.load(self.base, self.adapter, unsloth_backend.pretrained)
        unsloth_backend.for_inference(self.model)

    def fingerprint(self) -> dict[str, str]:
        """As that of transformers, and Unsloth's own version."""
        own = {"version/unsloth": version("unsloth")} if unsloth_backend.available() else {}
        return super().fingerprint() | own | {"backend": "unsloth"}


BACKEND = Unsloth
