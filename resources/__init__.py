"""Files that ship with trilabel: skeletons, icons, themes, key map, demo weights."""
