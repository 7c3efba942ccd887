"""A client of roomlog that is whole again by itself after any outage."""
