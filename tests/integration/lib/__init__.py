"""What the scenarios are written with. See tests/integration/README.md."""
