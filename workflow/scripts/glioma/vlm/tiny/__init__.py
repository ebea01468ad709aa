"""A tiny Mllama trained from scratch on a synthetic corpus: the embedded model of the vision-language arm.

`train.build` writes it; nothing heavy is imported here, so that the workflow can name its files in a moment.
"""

FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "training.json",
)
