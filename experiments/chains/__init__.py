"""Commands that run one after the other, and go on where they stopped."""
