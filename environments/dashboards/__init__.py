"""What happens in an environment, counted out of its own indices, for those who may look."""
