"""What the embedded default is made of: a phantom cohort and a tiny VLM."""
