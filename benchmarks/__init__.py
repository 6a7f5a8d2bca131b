"""Measurements: accuracy on the field's own protocols."""
