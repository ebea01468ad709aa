"""The study's page: who is better at what, whether answers follow the picture, and every patient to look at."""
