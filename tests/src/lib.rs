//! Helpers for tests that drive the binary and stock Fossil side by side.
