"""Files that set a staging and a production server up, made of a few answers.

`answers` and all that makes files are pure: equal answers make equal files. What the public reaches
is said by `environments.endpoints` alone.
"""
