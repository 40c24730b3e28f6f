"""Wire formats: bytes as vendors define them, read and written without any I/O."""
