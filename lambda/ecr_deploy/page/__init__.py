"""The page "What runs where": HTML of what `status` says, for CloudWatch's dashboard and for a file."""
