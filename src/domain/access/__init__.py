"""Who may do what: users, teams and built-in roles."""
