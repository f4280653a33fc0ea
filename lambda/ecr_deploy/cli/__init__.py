"""The command line: an operator's requests, on the function's own code, with the caller's credentials."""
