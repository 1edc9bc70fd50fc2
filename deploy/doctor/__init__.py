"""`slugline doctor`: what is wrong with the settings, the broker, the database and this machine, and how each is mended.

It asks, and changes nothing; only to read the broker's clock it makes a topic of its own, which it deletes again.
Each part gives findings; a part that can't be asked is a finding too, so that one fault hides no other.
"""
