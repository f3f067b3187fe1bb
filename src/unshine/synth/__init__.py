"""Where training tuples come from: `procedural` scenes, seen through a `camera`."""

SAMPLES = 144
"""Paths that are traced a pixel, at most, unless told: 600 tuples an hour on two processors."""
