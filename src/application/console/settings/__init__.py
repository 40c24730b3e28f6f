"""Runtime settings as the console shows and changes them (console.md section 5)."""
