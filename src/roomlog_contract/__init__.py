"""What every client of roomlog sees: events, frames, resources, error codes, and the one fold."""
