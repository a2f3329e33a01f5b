"""Networks written as people port them, and what public reports say goes wrong in such ports."""
