"""What a study will cost before it runs: the jobs of a dry-run, what each holds, and what that took elsewhere."""
