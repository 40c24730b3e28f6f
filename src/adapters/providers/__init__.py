"""Model providers: URL, credentials and error classification of each family."""
