"""The vision-language arm: models, the embedded tiny model, fine-tuning and generation. Only here is transformers used."""
