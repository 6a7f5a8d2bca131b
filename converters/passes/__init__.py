"""Passes over a graph: each takes a Graph and returns a Graph that computes the same."""
