"""One training config a file, each with its purpose, cost and score."""
