"""Where training tuples come from: `procedural` scenes, seen through a `camera`."""
