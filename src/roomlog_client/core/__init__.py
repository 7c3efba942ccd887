"""The client as a state machine without input or output: `docs/client/specification.md`."""
