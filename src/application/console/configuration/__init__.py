"""The declarative document: read it, plan it, apply it, export it (operations.md section 2)."""
