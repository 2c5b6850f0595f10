"""What a data set declares by its convention: MSD, nnU-Net, CSV; splits; checks."""
