"""The command line: one file per verb, no logic of its own.

Paths are declared ``readable=False`` throughout: typer would call a file that may not be read wrong
usage (exit code 2), where Isthmus has an error and a code of its own for it (6).
"""
