"""What is written down about every request."""
