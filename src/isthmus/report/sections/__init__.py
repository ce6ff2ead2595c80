"""One file per result: how it becomes a section of the report."""
