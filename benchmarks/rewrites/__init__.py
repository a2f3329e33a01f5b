"""Random pairs that compute the same and are written differently; and faults planted into them."""
