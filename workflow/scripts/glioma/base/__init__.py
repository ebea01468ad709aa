"""What every stage builds on: errors, files, seeds, digests of the code, and what surrounds every job."""
