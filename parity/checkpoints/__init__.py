"""Weight files of every kind: read, recognised, renamed, written."""
