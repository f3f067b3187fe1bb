"""GIMP's session runs in GIMP's own Python; nothing is to be collected from it."""

collect_ignore = ["gimp_session.py"]
