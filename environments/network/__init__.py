"""Whether staging and production are apart, staging is private, and the public reaches no more
than the collector. `judging` says what is so, `probing` looks, `running` keeps what was found."""
