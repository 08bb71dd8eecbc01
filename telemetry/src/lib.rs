//! Turns what the sync observer reports into traces, metrics and logs. It holds nothing yet.
