"""Training: losses, the stream of tuples, checkpoints, and the loop that ties them together."""
