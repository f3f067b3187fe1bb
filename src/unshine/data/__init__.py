"""Tuples on disk: one reader a file, one common item.

Every reader has ``find(folder) -> list[Entry]``, empty where the folder has another layout, and
``read(entry) -> Example`` for evaluation. Those of datasets for training take ``find(folder,
"train")`` and ``skip_bad``; `item.layers` then reads whatever an entry has.
"""
