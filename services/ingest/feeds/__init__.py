"""Reading feeds of every kind."""
