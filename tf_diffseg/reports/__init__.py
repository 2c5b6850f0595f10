"""What people look at: overlays, report pages, plots, model cards."""
