"""The way of one inference request, from credential to record."""
