"""The training process. The window starts it as a process and never imports it."""
