"""Users, teams, roles and invitations as the console changes them."""
