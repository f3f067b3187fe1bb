"""Datasets on disk: a reader for each layout, and one item that all of them return.

Every reader is a module with ``find(folder) -> list[Entry]``, empty where the folder has another
layout, and ``read(entry) -> Example`` for evaluation; `readers` lists them. The ``find`` of a
dataset for training also takes the split ("train") and ``skip_bad``; `item.read_layers` then reads
what an entry has.
"""
