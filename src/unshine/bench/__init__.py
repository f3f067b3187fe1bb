"""The benchmark of `unshine bench`: protocols, methods, the run, tables, report."""
