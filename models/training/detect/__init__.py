"""Training of the two detectors: augmentation, assignment, loss, loop."""
