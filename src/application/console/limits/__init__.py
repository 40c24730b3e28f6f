"""Limits as operators see them: named subjects, rules and budgets as documents, live use."""
