"""What the console's own tests are told by, wherever they leave traces on staging."""

from typing import Final

# The sessions of workflow tests, and the profiles that they bring: no person's begins so.
TEST_MARK: Final = "console-test-"
