"""The project folder: labels with a journal, immutable imports, settings; what lasts."""
