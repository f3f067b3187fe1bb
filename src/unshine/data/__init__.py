"""Tuples on disk: one reader a file, one common item.

Every reader has ``find(folder) -> list[Entry]``, empty where the folder has another layout, and
``read(entry) -> Example``.
"""
