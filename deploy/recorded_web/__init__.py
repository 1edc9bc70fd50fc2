"""The recorded web: outlets made up for Slugline, in original words, played on a clock on the loopback address.

In: `outlets.toml` and one file a story in `stories/`, and an epoch kept in a state file.
Out: each outlet's feeds and pages at http://NAME.localhost:PORT (RFC 6761), its list of feeds at http://127.0.0.1:PORT/feeds.opml.
It promises that the same state file gives the same URLs, times and dates, and that nothing leaves the machine.
"""
