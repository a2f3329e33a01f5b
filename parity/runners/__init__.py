"""A side's run in a file, for two frameworks on two machines: captured there, compared anywhere."""
