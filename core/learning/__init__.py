"""What is learned from and by what: data sets, crops, losses, metrics; no training loop, no Qt."""
