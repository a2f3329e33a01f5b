"""Both frameworks as one interface: a model that runs step by step, here or in a process of its own."""
