"""Gemini's generateContent, in both roles."""
