"""One file per external format: read into core values, write from core values."""
