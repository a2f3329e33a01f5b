"""Lock-step training: the same steps in both frameworks, compared after each."""
