"""Which layer and step of one model is which of the other's."""
