"""Providers, models, routes and prices as resources that people list and change one by one."""
