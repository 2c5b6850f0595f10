"""Made volumes to try everything on."""
