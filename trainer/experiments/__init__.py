"""Every figure and table of the paper by command, each with its controls, in a folder of its own.

``python -m trainer.experiments NAME --out DIR`` is what ``trilabel experiment`` starts. An
experiment writes report.md, its plots (PNG and SVG), results.json and configuration.json; what is
finished is kept in DIR, so that the same command goes on where it was stopped.
"""
