"""A tiny Mllama trained from scratch on a synthetic corpus: the embedded model of the vision-language arm.

The project holds it trained (`FOLDER`), as other models come trained from a hub; `train.build` made that folder. This
file names what lies in it, and imports nothing, so that a workflow can name it without loading torch.
"""

FOLDER = "resources/tiny-mllama"

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
