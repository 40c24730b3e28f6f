"""OpenAI Chat Completions, in both roles."""
