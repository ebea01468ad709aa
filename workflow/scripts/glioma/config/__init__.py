"""The configuration: read, checked and handed to the rules in narrow pieces."""
