"""Graph to Graph. A pass is a pure function in a file of its own; `pipeline.py` lists them in order."""
