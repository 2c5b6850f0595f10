"""What a batch of images and labels must be, and what is known of it."""
