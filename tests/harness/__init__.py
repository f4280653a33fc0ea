"""What the tests of every kind share: doubles, servers and builders."""
