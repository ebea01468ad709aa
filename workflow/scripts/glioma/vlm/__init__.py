"""The vision-language arm: models, the embedded tiny model, fine-tuning, generation. Only here is transformers used."""
