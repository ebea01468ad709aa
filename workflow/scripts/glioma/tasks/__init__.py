"""What a vision-language model can be asked, a module a task."""
