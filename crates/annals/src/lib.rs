//! Event-sourced entities whose journal never loses or overwrites an acknowledged event.
