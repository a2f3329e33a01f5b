"""A report as plain data -> text for somebody else's program or page: one file a format."""
