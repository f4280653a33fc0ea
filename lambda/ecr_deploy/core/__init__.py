"""The pure core: plain data and functions over it; no boto3, no clock."""
