"""A tiny Mllama trained from scratch on a synthetic corpus: the embedded model of the vision-language arm.

`train.build` writes the folder. This file names what it writes, and imports nothing, so that a workflow
can name its outputs without loading torch.
"""

TRAINING_FILE = "training.json"  # settings, seed, learning curve and held-out measures
FILES: tuple[str, ...] = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    TRAINING_FILE,
)
