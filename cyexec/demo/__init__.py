"""The main job, end to end, on real handwritten digits: ``python -m cyexec.demo``. See `README.md` here for the data."""
