"""What a client asks of a model and what comes back, independent of any vendor."""
