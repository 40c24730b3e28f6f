"""Who somebody is: ways to sign in, and what they are configured with."""
