"""What every stage stands on: faults, files, seeds, digests of the code, and the frame of a job."""
