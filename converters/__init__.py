"""Trained checkpoints to models that run on the device."""
