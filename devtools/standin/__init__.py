"""A stand-in for Tracardi's collector, for tests and the demo. It is none, and says so.

It speaks `/track`, and writes events, profiles and logs as a real one was seen to (tests/data). Of
a flow it does what the simplest nodes do; what would leave the machine, a call or a mail, it does
not.
"""
