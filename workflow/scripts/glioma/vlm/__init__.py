"""The vision-language arm: models, the embedded tiny model, fine-tuning, generation. Only here is transformers used."""

OPTIONAL = ("boto3", "scipy", "sklearn")
"""What transformers, accelerate and PEFT import where it is installed, and do not use for anything here."""
