"""OpenAI Responses, in both roles."""
