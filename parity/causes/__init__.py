"""From a fault to its named, proven cause."""
