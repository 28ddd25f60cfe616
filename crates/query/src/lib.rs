//! Live and finite streams over the read journals of annals.
