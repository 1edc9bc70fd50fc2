"""Commands for people: they parse arguments, call, and print."""
