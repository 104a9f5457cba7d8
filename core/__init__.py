"""What trilabel knows and does without a window: geometry, recordings, people, projects."""
