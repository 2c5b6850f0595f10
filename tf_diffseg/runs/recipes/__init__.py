"""Published experiments: how they trained, and their figures beside ours."""
