"""Studies from Python: run, loaded, looked at; for notebooks and scripts."""
