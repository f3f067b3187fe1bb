"""One honest benchmark: protocols, metrics, methods, tables, report."""
