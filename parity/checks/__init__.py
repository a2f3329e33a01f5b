"""The gradient check: both training steps, tensor by tensor."""
