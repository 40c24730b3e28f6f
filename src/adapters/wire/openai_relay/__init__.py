"""OpenAI's operations beyond conversations: relayed as they are, governed like the rest."""
