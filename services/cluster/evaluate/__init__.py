"""evaluate: labelled articles in, how well stories were found out.

The articles go through enrich's features and assign's decisions exactly as in the service, only without Kafka.
"""
