"""A package, so that it comes before the `tests` that others install (sleap-io does)."""
