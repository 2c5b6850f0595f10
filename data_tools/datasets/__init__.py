"""Declarations of data sets (MSD, nnU-Net, CSV), their splits and checks."""
